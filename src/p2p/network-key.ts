/**
 * The node's network key on disk: `keys/network.key`, 64 hex digits (the private scalar, big endian) and a line feed, mode
 * 0600. The key proves who the node is, so a file that others can read is refused rather than used.
 */
import { Buffer } from 'node:buffer'
import { constants } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { PeerIdText } from '../model/index.ts'
import { codeOf, fromHex, toHex } from '../util/index.ts'
import { P2pError } from './errors.ts'
import { type ObserverKey, observerKeyFromScalar } from './observer-key.ts'
import { P256_SCALAR_LENGTH, P256PrivateKey, P256PublicKey } from './identity-keys/p256.ts'

export type NetworkKey = P256PrivateKey

const OWNER_ONLY = 0o600
const GROUP_AND_OTHERS = 0o077
/** More than the 67 bytes that a key file can have; a larger file is something else. */
const MAX_KEY_FILE_BYTES = 256

/** A fresh key from the system's random source. */
export const generateNetworkKey = (): NetworkKey => P256PrivateKey.generate()

/** From the private scalar, 32 bytes. Throws P2pError `key-invalid`. */
export const networkKeyFromScalar = (scalar: Uint8Array): NetworkKey => P256PrivateKey.fromScalar(scalar)

/** The peer id of a key. */
export const peerIdOf = (key: NetworkKey | P256PublicKey | ObserverKey): PeerIdText => {
  if ('peerId' in key) return key.peerId
  return (key instanceof P256PublicKey ? key : key.publicKey).toString() as PeerIdText
}

/** Reads `X ‖ Y`. Throws P2pError `key-invalid` for other lengths and for points off the curve. */
export const networkPublicKey = (point: Uint8Array): P256PublicKey => P256PublicKey.fromPoint(point)

/**
 * Reads the key of this node. Throws P2pError `key-file-missing`, `key-file-permissions` (group or others have any right)
 * or `key-file-invalid`.
 */
export const readNetworkKey = (path: string): Promise<NetworkKey> =>
  readKeyFile(path, { ownerOnly: true, make: p256Of })

/** Reads the key of an observer; errors as of {@link readNetworkKey}. */
export const readObserverKey = (path: string): Promise<ObserverKey> =>
  readKeyFile(path, { ownerOnly: true, make: observerKeyFromScalar })

/** Reads a key that somebody hands over; the same as {@link readNetworkKey}, whatever the file's mode. */
export const importNetworkKey = (path: string): Promise<NetworkKey> =>
  readKeyFile(path, { ownerOnly: false, make: p256Of })

/** Reads an observer's key that somebody hands over. */
export const importObserverKey = (path: string): Promise<ObserverKey> =>
  readKeyFile(path, { ownerOnly: false, make: observerKeyFromScalar })

/**
 * Writes the key, mode 0600, through to the disk; folders that are missing are made with mode 0700. Never overwrites:
 * throws P2pError `key-file-exists`.
 */
export async function writeNetworkKey(path: string, key: NetworkKey | ObserverKey): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, 'wx', OWNER_ONLY)
  } catch (cause) {
    if (codeOf(cause) !== 'EEXIST') throw cause
    throw new P2pError('key-file-exists', `${path} exists already; move it away first`, { cause, details: { path } })
  }
  try {
    // The umask may have taken rights away, never given any: this sets exactly 0600.
    await file.chmod(OWNER_ONLY)
    await file.writeFile(`${toHex(key.scalar)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
}

const p256Of = (scalar: Uint8Array): NetworkKey => P256PrivateKey.fromScalar(scalar)

async function readKeyFile<K>(
  path: string,
  { ownerOnly, make }: { readonly ownerOnly: boolean; readonly make: (scalar: Uint8Array) => K }
): Promise<K> {
  const invalid = (why: string, cause?: unknown): P2pError =>
    new P2pError('key-file-invalid', `${path}: ${why}`, { cause, details: { path } })
  let text: string
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    // Asked of the open file, so that nobody can swap it between the check and the reading.
    const stat = await file.stat()
    if (!stat.isFile()) throw invalid('not a file')
    if (ownerOnly && (stat.mode & GROUP_AND_OTHERS) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, '0')
      const message = `${path} has mode ${mode}: others may read the network key; chmod 600 it`
      throw new P2pError('key-file-permissions', message, { details: { path, mode } })
    }
    if (stat.size > MAX_KEY_FILE_BYTES) throw invalid(`${stat.size} bytes is too long for a key`)
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(MAX_KEY_FILE_BYTES), position: 0 })
    text = buffer.toString('latin1', 0, bytesRead).trim()
  } catch (cause) {
    if (cause instanceof P2pError) throw cause
    if (codeOf(cause) === 'ENOENT') {
      throw new P2pError('key-file-missing', `${path} does not exist`, { cause, details: { path } })
    }
    throw invalid(`cannot be read (${codeOf(cause) ?? 'unknown'})`, cause)
  }
  const scalar = fromHex(text.replace(/^0x/, ''), P256_SCALAR_LENGTH)
  if (scalar === undefined) throw invalid('does not hold 64 hex digits')
  try {
    return make(scalar)
  } catch (cause) {
    throw invalid('holds no private key of the right curve', cause)
  }
}
