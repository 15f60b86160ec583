import type { BlobCid, SealedBlock } from '../model/index.ts'
import type { KeyValueOperation } from '../store/key-value.ts'
import { blockIdKey, blockKey, encodeBlock, encodeList, heightBytes, listKey } from './records.ts'
import type { TrackedBlock } from './tracker.ts'

export function without(cids: readonly BlobCid[], others: readonly BlobCid[]): BlobCid[] {
  const keys = new Set(others.map((cid) => cid.key))
  return cids.filter((cid) => !keys.has(cid.key))
}

/** Takes away what a height has but its references; comes before the insertion in one batch, where the later operation on a key counts. */
export function removal(block: TrackedBlock, cids: readonly BlobCid[]): KeyValueOperation[] {
  const { height, blockId } = block
  const keys = [blockKey(height), blockIdKey(blockId), ...encodeList(cids).map((_, part) => listKey(height, part))]
  return keys.map((key) => ({ type: 'del', key }))
}

/** What a height has but its references. */
export function insertion(block: TrackedBlock, cids: readonly BlobCid[]): KeyValueOperation[] {
  const { height, blockId } = block
  const entries: (readonly [Uint8Array, Uint8Array])[] = [
    [blockKey(height), encodeBlock(block)],
    [blockIdKey(blockId), heightBytes(height)],
    ...encodeList(cids).map((value, part) => [listKey(height, part), value] as const)
  ]
  return entries.map(([key, value]) => ({ type: 'put', key, value }))
}

export function isSame(tracked: TrackedBlock, block: SealedBlock): boolean {
  return tracked.blockId === block.blockId && tracked.executionDataId === block.executionDataId
}

export function isSameSet(a: readonly BlobCid[], b: readonly BlobCid[]): boolean {
  const keys = new Set(a.map((cid) => cid.key))
  return a.length === b.length && b.every((cid) => keys.has(cid.key))
}
