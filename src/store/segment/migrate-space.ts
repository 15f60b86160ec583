import type { KeyValueOperation, KeyValueSpace } from '../key-value.ts'
import { clearState, loadState, saveState } from '../migration.ts'
import { RECORD_HEADER_LENGTH, SEGMENT_HEADER_LENGTH } from './format.ts'
import { encodeSpace, SEGMENT_ENTRIES, SegmentIndex, segmentKey } from './index-space.ts'

/** Places summed up between two notes of how far it is: a tenth of a second. */
const NOTED_EVERY = 16_384
/** Schema 1 kept what was dead in a segment: bytes u64, records u32. */
const DEAD_LENGTH = 12

/**
 * Schema 1 to 2: the index keeps what is live in each segment instead of what is dead, so that a segment with nothing live is known by its
 * entry alone. Walks the places once; the entries are replaced in one batch at the end.
 */
export async function migrateSegmentSpace(space: KeyValueSpace, notes: KeyValueSpace): Promise<void> {
  const dead = new Map<number, number>()
  for await (const [key, value] of space.entries(SEGMENT_ENTRIES)) {
    if (value.length !== DEAD_LENGTH) continue
    const view = new DataView(value.buffer, value.byteOffset, value.length)
    dead.set(new DataView(key.buffer, key.byteOffset).getUint32(1), Number(view.getBigUint64(0)))
  }
  const state = await loadState(notes)
  // By segment: live bytes, live records, where the last one ends.
  const sums = new Map(Object.entries(state.sums).map(([segment, sum]) => [Number(segment), [...sum]]))
  let seen = 0
  for await (const [cid, location] of new SegmentIndex(space).places(state.after)) {
    const bytes = RECORD_HEADER_LENGTH + location.length
    const [liveBytes = 0, liveRecords = 0, end = 0] = sums.get(location.segment) ?? []
    sums.set(location.segment, [liveBytes + bytes, liveRecords + 1, Math.max(end, location.offset + bytes)])
    seen += 1
    // The next run goes on behind this one: a digest and a zero byte sorts right after it.
    const after = Uint8Array.of(...cid.digest, 0)
    if (seen % NOTED_EVERY === 0) await saveState(notes, { after, sums: Object.fromEntries(sums) })
  }
  const operations: KeyValueOperation[] = [...new Set([...sums.keys(), ...dead.keys()])].map((segment) => {
    const [liveBytes = 0, liveRecords = 0, end = 0] = sums.get(segment) ?? []
    const whole = SEGMENT_HEADER_LENGTH + liveBytes + (dead.get(segment) ?? 0)
    const value = encodeSpace({ liveBytes, liveRecords, end: Math.max(end, whole) })
    return { type: 'put', key: segmentKey(segment), value }
  })
  await space.batch(operations, { sync: true })
  await clearState(notes)
}
