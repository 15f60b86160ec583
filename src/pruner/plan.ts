import type { Height } from '../model/index.ts'
import type { PrunerComponents } from './ports.ts'

/** What a pruning would do. */
export interface PrunePlan {
  /** The heights that go; `null` when none does. */
  readonly from: Height | null
  readonly to: Height | null
  readonly heights: number
  /** Blobs that no height above refers to. */
  readonly blobs: number
  readonly bytes: number
  /** Blobs of these heights that others above share. */
  readonly shared: number
}

/** Heights looked at in one page, so that no iterator stays open for long. */
const PAGE = 64

/** Walks the heights that would go. A blob that two of them share is counted once, with the last. */
export async function planOf(
  { tracker, store }: Pick<PrunerComponents, 'tracker' | 'store'>,
  { to, signal }: { readonly to: Height | undefined; readonly signal: AbortSignal }
): Promise<PrunePlan> {
  const sums = { heights: 0, blobs: 0, bytes: 0, shared: 0 }
  let from: Height | null = null
  let last: Height | null = null
  let next = tracker.lowest ?? 0
  while (to !== undefined && next <= to) {
    const heights: Height[] = []
    for await (const { height } of tracker.blocks(next, to)) {
      heights.push(height)
      if (heights.length === PAGE) break
    }
    for (const height of heights) {
      signal.throwIfAborted()
      for await (const cid of tracker.cidsAt(height)) {
        const latest = await tracker.latestHeightOf(cid)
        if (latest === height) {
          sums.blobs += 1
          sums.bytes += (await store.getSize(cid)) ?? 0
        } else if (latest !== undefined && latest > to) sums.shared += 1
      }
      sums.heights += 1
      from ??= height
      last = height
    }
    next = heights.length < PAGE ? to + 1 : (heights.at(-1) ?? to) + 1
  }
  return { from, to: last, ...sums }
}
