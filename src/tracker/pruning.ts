import type { BlobCid, Height } from '../model/index.ts'
import type { KeyValueOperation, KeyValueSpace } from '../store/key-value.ts'
import {
  blockIdKey,
  blocksBetween,
  decodeBlock,
  decodeListPart,
  heightOfBlock,
  heightOfList,
  LOOSE,
  looseCid,
  looseKey,
  listsEnd,
  ownerKey,
  readHeight,
  referenceKey,
  referencesAbove,
  referencesOf
} from './records.ts'
import { haveReferences, ownersOf } from './references.ts'

/** Deletes blobs for good; what is not there is passed over. */
export type FreeBlobs = (cids: readonly BlobCid[]) => Promise<void>

export interface PruneRequest {
  /** Prune no height above this. */
  readonly to: Height
  /** References looked at in this step, a part of a list (1,024) more or less. */
  readonly maxBlobs: number
  /** Height by height, however many: what is left stays whole. */
  readonly inOrder?: boolean
  readonly free: FreeBlobs
}

export interface PruneStep {
  /** References taken away. */
  readonly references: number
  /** Blobs that no height refers to any more, deleted. */
  readonly freed: number
  /** Whether heights up to `to` are left. */
  readonly more: boolean
}

export interface LooseRequest {
  /** Only what was marked up to this wall-clock time, Unix ms. */
  readonly markedUntilMs: number
  readonly maxBlobs: number
  readonly free: FreeBlobs
}

export interface LooseStep {
  /** Blobs that nobody refers to, deleted. */
  readonly freed: number
  /** Blobs looked at that a height refers to. */
  readonly kept: number
  /** Whether others are due. */
  readonly more: boolean
  /** Whether some are marked that are not due yet. */
  readonly waiting: boolean
}

/** One batch of what a step takes away, read and not yet touched. */
export interface PruneBatch {
  /** The height up to which this batch goes. */
  readonly height: Height
  readonly references: readonly (readonly [BlobCid, Height])[]
  /** Keys of lists and blocks that go. */
  readonly keys: readonly Uint8Array[]
  /** Where the next batch begins; `undefined` when nothing is left up to the target. */
  readonly next: PruneCursor | undefined
}

/** Where pruning goes on: what lies before is gone, and would only be slow to pass over again. */
export interface PruneCursor {
  readonly list: Uint8Array
  readonly block: Height
}

/** The beginning of everything. */
export const PRUNE_START: PruneCursor = { list: Uint8Array.of(3), block: 0 }

/** Reads the lowest lists from a place on, up to so many references, and the blocks of the heights that are then empty. */
export async function readPruneBatch(
  space: KeyValueSpace,
  request: { readonly from: PruneCursor; readonly to: Height; readonly maxBlobs: number }
): Promise<PruneBatch> {
  const { from, to, maxBlobs } = request
  const references: (readonly [BlobCid, Height])[] = []
  const keys: Uint8Array[] = []
  let list: Uint8Array | undefined
  let height = -1
  for await (const [key, value] of space.entries({ gte: from.list, lt: listsEnd(to) })) {
    if (references.length >= maxBlobs) {
      list = key
      break
    }
    height = heightOfList(key)
    keys.push(key)
    for (const cid of decodeListPart(value)) references.push([cid, height])
  }
  if (list === undefined) height = to
  // A height whose list goes on keeps its block until the rest is gone.
  const whole = list !== undefined && heightOfList(list) === height ? height - 1 : height
  const blocks = await readBlocks(space, { from: from.block, to: whole, most: maxBlobs })
  keys.push(...blocks.keys)
  const done = list === undefined && blocks.next > to
  return { height, references, keys, next: done ? undefined : { list: list ?? listsEnd(to), block: blocks.next } }
}

/** Keys of the records of blocks, with those of their ids, and the height behind them. */
export async function readBlocks(
  space: KeyValueSpace,
  { from, to, most }: { readonly from: Height; readonly to: Height; readonly most: number }
): Promise<{ readonly keys: readonly Uint8Array[]; readonly next: Height }> {
  const keys: Uint8Array[] = []
  if (from > to) return { keys, next: from }
  for await (const [key, value] of space.entries({ ...blocksBetween(from, to), limit: most })) {
    keys.push(key, blockIdKey(decodeBlock(heightOfBlock(key), value).blockId))
  }
  const last = keys.at(-2)
  return { keys, next: last !== undefined && keys.length === 2 * most ? heightOfBlock(last) + 1 : to + 1 }
}

/** What becomes of a batch: the blobs that no height above it refers to, and the operations that take its records away. */
export async function judgePruneBatch(
  space: KeyValueSpace,
  { height, references, keys }: PruneBatch
): Promise<{ readonly free: readonly BlobCid[]; readonly operations: readonly KeyValueOperation[] }> {
  const unique = [...new Map(references.map(([cid]) => [cid.key, cid])).values()]
  const owners = await ownersOf(space, unique)
  const several = unique.filter((_, at) => owners[at] === 'several')
  const wanted = await haveReferences(space, several, (cid) => referencesAbove(cid, height))
  const shared = new Set(several.map((cid) => cid.key))
  const free = unique.filter(({ key }, at) => {
    const owner = owners[at]
    return owner === 'several' ? !wanted.has(key) : owner === undefined || owner <= height
  })
  const gone = [
    ...free.map(ownerKey),
    ...references.flatMap(([cid, at]) => (shared.has(cid.key) ? [referenceKey(cid, at)] : [])),
    ...keys
  ]
  return { free, operations: gone.map((key) => ({ type: 'del', key })) }
}

/** Loose blobs marked up to a time, at most so many looked at; `more` when there may be others. */
export async function readLoose(
  space: KeyValueSpace,
  { from, markedUntilMs, maxBlobs }: { from: Uint8Array | undefined; markedUntilMs: number; maxBlobs: number }
): Promise<{ readonly due: readonly BlobCid[]; readonly next: Uint8Array | undefined; readonly waiting: number }> {
  const due: BlobCid[] = []
  let seen = 0
  for await (const [key, value] of space.entries({ ...LOOSE, ...(from === undefined ? {} : { gte: from }) })) {
    if (seen === maxBlobs) return { due, next: key, waiting: seen - due.length }
    seen += 1
    if (readHeight(value) <= markedUntilMs) due.push(looseCid(key))
  }
  return { due, next: undefined, waiting: seen - due.length }
}

/** Those of the blobs that no height refers to. */
export async function unreferenced(space: KeyValueSpace, cids: readonly BlobCid[]): Promise<BlobCid[]> {
  const owners = await ownersOf(space, cids)
  const several = cids.filter((_, at) => owners[at] === 'several')
  const wanted = await haveReferences(space, several, referencesOf)
  return cids.filter(({ key }, at) => owners[at] === undefined || (owners[at] === 'several' && !wanted.has(key)))
}

/** Takes the marks of loose blobs away, and what is left of those that are freed. */
export function settleOperations(due: readonly BlobCid[], freed: readonly BlobCid[]): KeyValueOperation[] {
  return [...due.map(looseKey), ...freed.map(ownerKey)].map((key) => ({ type: 'del', key }))
}
