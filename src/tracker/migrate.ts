import type { KeyValueOperation, KeyValueSpace } from '../store/key-value.ts'
import {
  ALL_BLOCKS,
  ALL_REFERENCES,
  cidOfReference,
  heightBytes,
  heightOfReference,
  ownerKey,
  referencesOf
} from './records.ts'

/** Schema 1 had the two ids of a block and no time. */
const LENGTH_BEFORE = 64
/** Blocks of one batch. */
const STEP = 1_024

/**
 * Schema 1 to 2: a block knows when it was tracked; those that are there count as tracked now. A block that has its time already is passed
 * over, so it may be run again.
 */
export async function migrateTracker(space: KeyValueSpace, nowMs: number): Promise<void> {
  let after: Uint8Array = ALL_BLOCKS.gte
  for (;;) {
    const old: (readonly [Uint8Array, Uint8Array])[] = []
    let seen = 0
    for await (const [key, value] of space.entries({ ...ALL_BLOCKS, gte: after, limit: STEP })) {
      after = Uint8Array.of(...key, 0)
      seen += 1
      if (value.length === LENGTH_BEFORE) old.push([key, value])
    }
    const operations = old.map(([key, value]) => {
      return {
        type: 'put',
        key,
        value: Uint8Array.of(...value, ...heightBytes(Math.max(0, Math.floor(nowMs))))
      } as const
    })
    if (operations.length > 0) await space.batch(operations, { sync: true })
    if (seen < STEP) return
  }
}

/**
 * Schema 2 to 3: the only height of a blob is the value of its owner's record, and only blobs of several heights have a record for each.
 * A blob is changed in one batch, and what was changed is passed over, so it may be run again.
 */
export async function migrateReferences(space: KeyValueSpace): Promise<void> {
  let after: Uint8Array = ALL_REFERENCES.gte
  for (;;) {
    const keys: Uint8Array[] = []
    for await (const [key] of space.entries({ ...ALL_REFERENCES, gte: after, limit: STEP })) keys.push(key)
    const last = keys.at(-1)
    if (last === undefined) return
    const operations: KeyValueOperation[] = []
    for (const group of Map.groupBy(keys, (key) => cidOfReference(key).key).values()) {
      operations.push(...(await toOwner(space, group)))
    }
    await space.batch(operations, { sync: true })
    after = Uint8Array.of(...last, 0)
  }
}

async function toOwner(space: KeyValueSpace, references: readonly Uint8Array[]): Promise<KeyValueOperation[]> {
  const [reference = new Uint8Array(0)] = references
  const cid = cidOfReference(reference)
  // One alone may be the first or the last of several that a step has cut apart.
  let all = 0
  for await (const [key] of space.entries({ ...referencesOf(cid), limit: 2 })) all += Math.sign(key.length)
  if (all > 1) return [{ type: 'put', key: ownerKey(cid), value: new Uint8Array(0) }]
  return [
    { type: 'put', key: ownerKey(cid), value: heightBytes(heightOfReference(reference)) },
    { type: 'del', key: reference }
  ]
}
