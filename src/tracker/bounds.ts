import type { Height } from '../model/index.ts'
import type { KeyValueSpace } from '../store/key-value.ts'
import type { TrackerOptions } from './options.ts'
import { ALL_BLOCKS, blockKey, heightOfBlock, PRUNED_KEY, readHeight } from './records.ts'

/** From which height to which something is tracked, and up to which it was pruned. */
export interface Bounds {
  readonly lowest: Height | undefined
  readonly highest: Height | undefined
  readonly prunedTo: Height | undefined
}

/** Throws TrackerError `corrupt`, and what the space throws. */
export async function readBounds(space: KeyValueSpace): Promise<Bounds> {
  const pruned = await space.get(PRUNED_KEY)
  const prunedTo = pruned === undefined ? undefined : readHeight(pruned)
  return { lowest: await edge(space, false, prunedTo), highest: await edge(space, true, prunedTo), prunedTo }
}

async function edge(space: KeyValueSpace, reverse: boolean, prunedTo: Height | undefined): Promise<Height | undefined> {
  const range = { ...ALL_BLOCKS, ...(prunedTo === undefined ? {} : { gte: blockKey(prunedTo + 1) }) }
  for await (const [key] of space.entries({ ...range, reverse, limit: 1 })) return heightOfBlock(key)
  return undefined
}

/** A sweep is worth its reading when at least one in so many heights goes. */
const SWEEP_PART = 4

/** Whether the heights up to one are so many of all that they are to be swept. */
export function isLargePart(
  { lowest, highest }: Bounds,
  to: Height,
  { sweepHeights }: Pick<TrackerOptions, 'sweepHeights'>
): boolean {
  if (lowest === undefined || highest === undefined) return false
  const going = Math.min(to, highest) - lowest + 1
  return going >= sweepHeights && going >= (highest - lowest + 1) / SWEEP_PART
}
