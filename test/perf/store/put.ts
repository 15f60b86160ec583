import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Level } from 'level'
import type { Blob } from '#src/model/index.ts'
import type { Figures } from '../harness/report.ts'
import { diskBytes } from './page-cache.ts'
import { type Keeper, readInTurn } from './read.ts'
import { freshBlob, openStack, type Stack } from './stack.ts'

/** Who can be beside: `raw` is a bare loop of append and fdatasync over one file. */
export const KEEPERS = ['raw', 'sealsync', 'level', 'blockstore-fs', 'node:sqlite'] as const
export type KeeperName = (typeof KEEPERS)[number]

export interface PutSettings {
  readonly keeper: KeeperName
  readonly blobBytes: number
  /** Blobs of one group, which is durable before the next begins. */
  readonly group: number
  readonly bytes: number
  /** Where the packages of contenders that are not ours lie. */
  readonly packages: string
}

/** Puts blobs in groups, each durable before the next, and reads them in random order, with their hash verified. */
export async function contend(settings: PutSettings): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), 'sealsync-store-'))
  try {
    const folders = { keeper: await mkdtemp(join(folder, 'keeper-')), bare: await mkdtemp(join(folder, 'bare-')) }
    const keeper = await OPEN[settings.keeper](folders.keeper, settings.packages)
    const bare = await raw(folders.bare)
    const count = Math.max(settings.group, Math.floor(settings.bytes / settings.blobBytes))
    const blobs = Array.from({ length: count }, () => freshBlob(settings.blobBytes))
    const bytes = count * settings.blobBytes
    const own = new Puts(keeper)
    const beside = new Puts(bare)
    // Group by group in turn, and each first every other time: what the disk does meanwhile falls on both alike.
    for (let at = 0; at < count; at += settings.group) {
      const group = blobs.slice(at, at + settings.group)
      const turn = (at / settings.group) % 2 === 0 ? [own, beside] : [beside, own]
      for (const puts of turn) await puts.put(group)
    }
    const cold = settings.keeper === 'sealsync' ? folders : undefined
    const reads = await readInTurn({ keeper, bare, blobs, cold })
    await keeper.close()
    await bare.close()
    return {
      putMBs: bytes / 1e3 / own.ms,
      'putMBs, bare loop': bytes / 1e3 / beside.ms,
      putToBare: beside.ms / own.ms,
      putCpuMsPerMB: own.cpuMs / (bytes / 1e6),
      writeAmplification: own.written / bytes,
      ...reads
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Puts with what they took: time, CPU time of the process, bytes that the disk was given. */
class Puts {
  ms = 0
  cpuMs = 0
  written = 0
  readonly #keeper: Keeper

  constructor(keeper: Keeper) {
    this.#keeper = keeper
  }

  async put(group: readonly Blob[]): Promise<void> {
    const { written } = await diskBytes()
    const cpu = process.cpuUsage()
    const began = performance.now()
    await this.#keeper.put(group)
    this.ms += performance.now() - began
    const { user, system } = process.cpuUsage(cpu)
    this.cpuMs += (user + system) / 1e3
    this.written += (await diskBytes()).written - written
  }
}

const OPEN: Readonly<Record<KeeperName, (folder: string, packages: string) => Promise<Keeper>>> = {
  raw,
  sealsync,
  level,
  'blockstore-fs': blockstoreFs,
  'node:sqlite': sqlite
}

async function raw(folder: string): Promise<Keeper> {
  const file = await open(join(folder, 'raw'), 'a+')
  const places = new Map<Blob, number>()
  let end = 0
  return {
    async put(blobs) {
      await file.writev(blobs.map(({ bytes }) => bytes))
      await file.datasync()
      for (const blob of blobs) {
        places.set(blob, end)
        end += blob.bytes.length
      }
    },
    async get(blob) {
      // As the node reads: not cleared first.
      const bytes = new Uint8Array(Buffer.allocUnsafeSlow(blob.bytes.length).buffer)
      await file.read(bytes, 0, bytes.length, places.get(blob) ?? 0)
      return bytes
    },
    verifies: false,
    close: () => file.close()
  }
}

async function sealsync(folder: string): Promise<Keeper> {
  const stack: Stack = await openStack({ dataDir: folder, cacheBytes: 0 })
  return {
    put: (blobs) => stack.data.blockstore.putMany(blobs),
    get: async ({ cid }) => (await stack.data.blockstore.get(cid))?.bytes,
    verifies: true,
    close: () => stack.close()
  }
}

async function level(folder: string): Promise<Keeper> {
  const db = new Level<Uint8Array, Uint8Array>(folder, { keyEncoding: 'view', valueEncoding: 'view' })
  await db.open()
  return {
    put: (blobs) =>
      db.batch(
        blobs.map(({ cid, bytes }) => ({ type: 'put', key: cid.digest, value: bytes })),
        { sync: true }
      ),
    get: ({ cid }) => db.get(cid.digest),
    verifies: false,
    close: () => db.close()
  }
}

interface FsBlockstore {
  open(): Promise<void>
  putMany(pairs: Iterable<{ readonly cid: unknown; readonly bytes: Uint8Array }>): AsyncIterable<unknown>
  get(cid: unknown): AsyncIterable<Uint8Array>
}

async function blockstoreFs(folder: string, packages: string): Promise<Keeper> {
  // Resolved there, where the packages are.
  const { CID, FsBlockstore: Made } = (await import(pathToFileURL(join(packages, 'blockstore.mjs')).href)) as {
    readonly CID: { parse(text: string): unknown }
    readonly FsBlockstore: new (path: string) => FsBlockstore
  }
  const store = new Made(folder)
  await store.open()
  const cids = new Map<Blob, unknown>()
  const cidOf = (blob: Blob): unknown => {
    const cid = cids.get(blob) ?? CID.parse(String(blob.cid))
    cids.set(blob, cid)
    return cid
  }
  return {
    // Each file is written and renamed; none is synced, and there is no setting for it.
    async put(blobs) {
      const pairs = blobs.map((blob) => ({ cid: cidOf(blob), bytes: blob.bytes }))
      for await (const cid of store.putMany(pairs)) void cid
    },
    async get(blob) {
      const parts: Uint8Array[] = []
      for await (const bytes of store.get(cidOf(blob))) parts.push(bytes)
      return parts.length === 1 ? parts[0] : Buffer.concat(parts)
    },
    verifies: false,
    close: async () => undefined
  }
}

async function sqlite(folder: string): Promise<Keeper> {
  const { DatabaseSync } = await import('node:sqlite')
  const db = new DatabaseSync(join(folder, 'blobs.db'))
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  db.exec('CREATE TABLE blobs (digest BLOB PRIMARY KEY, bytes BLOB) WITHOUT ROWID')
  const insert = db.prepare('INSERT INTO blobs VALUES (?, ?)')
  const select = db.prepare('SELECT bytes FROM blobs WHERE digest = ?')
  return {
    async put(blobs) {
      db.exec('BEGIN')
      for (const { cid, bytes } of blobs) insert.run(cid.digest, bytes)
      db.exec('COMMIT')
    },
    get: async ({ cid }) => select.get(cid.digest)?.['bytes'] as Uint8Array | undefined,
    verifies: false,
    close: async () => db.close()
  }
}
