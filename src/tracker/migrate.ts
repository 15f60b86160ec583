import type { KeyValueSpace } from '../store/key-value.ts'
import { ALL_BLOCKS, heightBytes } from './records.ts'

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
