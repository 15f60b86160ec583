import type { SealedBlock } from '../model/index.ts'
import type { FollowerOwner } from './follower.ts'
import type { RequesterComponents } from './ports.ts'

/** Heights read from the tracker at a time: no iterator of the database stays open while the table is full. */
const PAGE = 256

/**
 * Offers every height above the checkpoint that is tracked already: what a run before had ahead, or what an import brought. The
 * downloader finds their blobs in the store, so they are checked again and nothing is fetched. Gives their number.
 */
export async function recoverTracked(
  components: Pick<RequesterComponents, 'tracker'>,
  owner: FollowerOwner,
  { signal }: { readonly signal: AbortSignal }
): Promise<number> {
  const until = components.tracker.highest
  if (until === undefined) return 0
  let from = owner.table.frontier + 1
  let offered = 0
  while (from <= until) {
    const page: SealedBlock[] = []
    for await (const block of components.tracker.blocks(from, until)) {
      page.push({ ...block })
      if (page.length === PAGE) break
    }
    for (const block of page) {
      await owner.moved.until(() => owner.table.hasRoomFor(block.height), signal)
      owner.offer(block)
    }
    offered += page.length
    from = page.length < PAGE ? until + 1 : (page.at(-1)?.height ?? until) + 1
  }
  return offered
}
