import { hash } from 'node:crypto'
import { type Blob, verifyBlobApart } from '#src/model/index.ts'
import type { Figures } from '../harness/report.ts'
import { median } from '../harness/statistics.ts'
import { diskBytes, dropFromPageCache } from './page-cache.ts'

export interface Keeper {
  /** Durable when it resolves. */
  put(blobs: readonly Blob[]): Promise<void>
  get(blob: Blob): Promise<Uint8Array | undefined>
  /** Whether what it gives was hashed. */
  readonly verifies: boolean
  close(): Promise<void>
}

interface Readable {
  readonly keeper: Keeper
  readonly bare: Keeper
  readonly blobs: readonly Blob[]
  /** The folders of the two, when they are to be read from the disk as well. */
  readonly cold?: { readonly keeper: string; readonly bare: string } | undefined
}

/** Reads under way at a time: as many as the threads of Node's pool, twice. */
const READS = 8

/** Passes of each kind of reading that count; one before them gets the memory from the system that all later ones use again. */
const PASSES = 5

/** Of the bytes of a cold pass, so much at least must have come from the disk. */
const FROM_DISK = 0.95

/**
 * Verified reads of the keeper, and in turn with them what they consist of: bare reads of the same blobs from one file, hashing the same
 * blobs one after the other, and a bare loop that does both, by Web Crypto. So what the machine does meanwhile falls on all of them. After
 * each pass out of the page cache comes one that finds nothing there.
 */
export async function readInTurn({ keeper, bare, blobs, cold: folders }: Readable): Promise<Figures> {
  const kinds: Kinds = {
    verifiedReadMBs: {
      do: async (blob) => verified(blob, await keeper.get(blob), keeper.verifies),
      folder: folders?.keeper
    },
    'readMBs, bare loop': { do: (blob) => bare.get(blob), folder: folders?.bare },
    hashMBs: { do: async ({ bytes }) => hash('sha256', bytes, 'buffer'), folder: undefined },
    'verifiedReadMBs, bare loop': {
      do: async (blob) => verified(blob, await bare.get(blob), false),
      folder: folders?.bare
    }
  }
  const rates = new Map<string, number[]>()
  for (let pass = 0; pass <= PASSES; pass += 1) {
    const warm = await onePass(kinds, blobs, { pass, cold: false })
    const cold = folders === undefined ? {} : await onePass(kinds, blobs, { pass, cold: true })
    if (pass === 0) continue
    for (const [name, rate] of Object.entries(warm)) rates.set(name, [...(rates.get(name) ?? []), rate])
    for (const [name, rate] of Object.entries(cold)) {
      rates.set(`${name}, cold`, [...(rates.get(`${name}, cold`) ?? []), rate])
    }
  }
  return Object.fromEntries([...rates].map(([name, all]) => [name, median(all.filter(Number.isFinite))]))
}

interface Kind {
  do(blob: Blob): Promise<unknown>
  /** What it reads; a cold pass drops just that, so that all is in the page cache again after it. */
  readonly folder: string | undefined
}

type Kinds = Readonly<Record<string, Kind>>

/** Each kind once over all blobs in one random order; another kind comes first in each pass. */
async function onePass(
  kinds: Kinds,
  blobs: readonly Blob[],
  { pass, cold }: { readonly pass: number; readonly cold: boolean }
): Promise<Figures> {
  const shuffled = blobs.map((blob) => [Math.random(), blob] as const).sort(([a], [b]) => a - b)
  const order = shuffled.map(([, blob]) => blob)
  const all = Object.entries(kinds)
  const turn = [...all.slice(pass % all.length), ...all.slice(0, pass % all.length)]
  const of: Record<string, number> = {}
  for (const [name, kind] of turn) {
    // What one kind has left must not be collected at the next one's expense.
    globalThis.gc?.()
    of[name] = cold && kind.folder !== undefined ? await coldRate(order, kind, kind.folder) : await rate(order, kind)
  }
  const own = of['verifiedReadMBs'] ?? Number.NaN
  return {
    ...of,
    verifiedToSlower: own / Math.min(of['readMBs, bare loop'] ?? Number.NaN, of['hashMBs'] ?? Number.NaN),
    verifiedToBare: own / (of['verifiedReadMBs, bare loop'] ?? Number.NaN)
  }
}

/** Throws when the blob was not read back; hashes what was not hashed yet, in a thread of the pool. */
async function verified(blob: Blob, bytes: Uint8Array | undefined, hashed: boolean): Promise<void> {
  if (bytes?.length === blob.bytes.length) {
    if (hashed || (await verifyBlobApart(blob.cid, bytes as Uint8Array<ArrayBuffer>)) !== undefined) return
  }
  throw new Error(`${blob.cid} was not read back`)
}

const bytesOf = (blobs: readonly Blob[]): number => blobs.reduce((sum, { bytes }) => sum + bytes.length, 0)

/** MB/s. */
async function rate(blobs: readonly Blob[], kind: Kind): Promise<number> {
  const left = [...blobs]
  const began = performance.now()
  const reader = async (): Promise<void> => {
    for (let blob = left.pop(); blob !== undefined; blob = left.pop()) await kind.do(blob)
  }
  await Promise.all(Array.from({ length: READS }, reader))
  return bytesOf(blobs) / 1e3 / (performance.now() - began)
}

/** MB/s of reads that the page cache answers none of; NaN where they cannot be had. */
async function coldRate(blobs: readonly Blob[], kind: Kind, folder: string): Promise<number> {
  const dropped = await dropFromPageCache(folder).then(
    () => true,
    () => false
  )
  if (!dropped) return Number.NaN
  const before = await diskBytes()
  const found = await rate(blobs, kind)
  return (await diskBytes()).read - before.read >= FROM_DISK * bytesOf(blobs) ? found : Number.NaN
}
