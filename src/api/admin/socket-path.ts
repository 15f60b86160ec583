import { lstat, mkdtemp, readFile, rename, rm, rmdir, unlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { basename, dirname, join, resolve } from 'node:path'
import { codeOf, messageOf } from '../../util/index.ts'
import { ApiError } from '../errors.ts'

/**
 * Where the admin socket of a data directory is. Normally `admin.sock` in it. A path too long for a socket address goes to a fresh
 * directory of mode 0700 elsewhere, and `admin.json` in the data directory says where.
 */
const SOCKET_NAME = 'admin.sock'
const POINTER_NAME = 'admin.json'
const FALLBACK_PREFIX = 'sealsync-'

/** Largest `admin.json`, bytes: a path and a process id. */
const MAX_POINTER_BYTES = 8_192

export interface SocketPlace {
  readonly path: string
  /** The directory made for the socket, to be removed with it. */
  readonly ownDir?: string
  /** The `admin.json` that names it. */
  readonly pointer?: string
}

const socketPathIn = (dataDir: string): string => join(resolve(dataDir), SOCKET_NAME)
const pointerPathIn = (dataDir: string): string => join(resolve(dataDir), POINTER_NAME)

/** The socket's path that `admin.json` gives; `undefined` when there is no such file or it says nothing of use. */
async function pointedPath(dataDir: string): Promise<string | undefined> {
  try {
    const path = pointerPathIn(dataDir)
    if ((await lstat(path)).size > MAX_POINTER_BYTES) return undefined
    const value = JSON.parse(await readFile(path, 'utf8')) as { readonly socket?: unknown } | null
    return typeof value?.socket === 'string' && value.socket.startsWith('/') ? value.socket : undefined
  } catch {
    return undefined
  }
}

/** Where a client should look, most likely first. */
export async function socketCandidates(dataDir: string): Promise<readonly string[]> {
  const pointed = await pointedPath(dataDir)
  return pointed === undefined ? [socketPathIn(dataDir)] : [pointed, socketPathIn(dataDir)]
}

/** `live`: a process accepts there; `stale`: nobody does; `absent`: there is nothing. */
export type SocketState = 'live' | 'stale' | 'absent'

/** Tries to connect. Throws the system's error when it does not tell (no permission, for one). */
export function probeSocket(path: string): Promise<SocketState> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve('live')
    })
    socket.once('error', (error) => {
      const code = codeOf(error)
      if (code === 'ENOENT' || code === 'ENOTDIR') resolve('absent')
      else if (code === 'ECONNREFUSED' || code === 'ENOTSOCK') resolve('stale')
      // The backlog of a live listener can be full.
      else if (code === 'EAGAIN') resolve('live')
      else reject(error)
    })
  })
}

/** Makes sure that nothing is in the way at `path`. Throws ApiError `socket-in-use`, `socket-path-taken`. */
async function clear(path: string): Promise<void> {
  const state = await probeSocket(path)
  if (state === 'absent') return
  const details = { path }
  if (state === 'live') {
    throw new ApiError('socket-in-use', `another process answers on the admin socket ${path}: stop it first`, {
      details
    })
  }
  if (!(await lstat(path)).isSocket()) {
    throw new ApiError('socket-path-taken', `${path} is not a socket: move it away, the admin socket belongs there`, {
      details
    })
  }
  await unlink(path)
}

/** Removes what a process that died left of a fallback. Throws ApiError `socket-in-use` when it did not die. */
async function clearPointed(dataDir: string): Promise<void> {
  const pointed = await pointedPath(dataDir)
  if (pointed !== undefined && basename(pointed) === SOCKET_NAME) {
    const dir = dirname(pointed)
    await clear(pointed)
    // Only directories that this file's fallback could have made, and only empty ones.
    if (basename(dir).startsWith(FALLBACK_PREFIX)) await rmdir(dir).catch(() => {})
  }
  await rm(pointerPathIn(dataDir), { force: true })
}

/**
 * Finds a place for the socket and clears it of what a dead process left. Two starting processes are kept apart by the
 * data directory's lock, not by this. Throws ApiError `socket-in-use`, `socket-path-taken`, `socket-path-too-long`,
 * `listen-failed`.
 */
export async function claimSocketPlace(options: {
  readonly dataDir: string
  readonly fallbackDir: string
  readonly maxSocketPathBytes: number
}): Promise<SocketPlace> {
  const { dataDir, fallbackDir, maxSocketPathBytes } = options
  try {
    await clearPointed(dataDir)
    const path = socketPathIn(dataDir)
    if (Buffer.byteLength(path) <= maxSocketPathBytes) {
      await clear(path)
      return { path }
    }
    // mkdtemp appends six characters.
    const length = Buffer.byteLength(join(resolve(fallbackDir), `${FALLBACK_PREFIX}XXXXXX`, SOCKET_NAME))
    if (length > maxSocketPathBytes) {
      throw new ApiError(
        'socket-path-too-long',
        `neither ${path} nor a path in ${fallbackDir} fits the ${maxSocketPathBytes} bytes of a socket path: ` +
          'use a data directory with a shorter path'
      )
    }
    const ownDir = await mkdtemp(join(resolve(fallbackDir), FALLBACK_PREFIX))
    return { path: join(ownDir, SOCKET_NAME), ownDir, pointer: pointerPathIn(dataDir) }
  } catch (cause) {
    if (cause instanceof ApiError) throw cause
    throw new ApiError('listen-failed', `the admin socket of ${dataDir} cannot be set up: ${messageOf(cause)}`, {
      cause
    })
  }
}

/** Tells clients where the socket is, when it is not where they look first. */
export async function publishSocketPlace(place: SocketPlace): Promise<void> {
  if (place.pointer === undefined) return
  const draft = `${place.pointer}.new`
  await writeFile(draft, `${JSON.stringify({ socket: place.path, pid: process.pid })}\n`, { mode: 0o600 })
  await rename(draft, place.pointer)
}

/** Removes what `claimSocketPlace` and `publishSocketPlace` made. */
export async function releaseSocketPlace(place: SocketPlace): Promise<void> {
  await rm(place.path, { force: true })
  if (place.pointer !== undefined) await rm(place.pointer, { force: true })
  if (place.ownDir !== undefined) await rmdir(place.ownDir).catch(() => {})
}
