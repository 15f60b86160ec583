import type { Height, SealedBlock } from '../model/index.ts'
import type { Service } from '../util/index.ts'

/**
 * Where sealed blocks come from. Adapters: announcements of execution nodes, a file.
 */
export interface SealedBlockFeed extends Service {
  /**
   * Sealed blocks from `from` on, ascending, none left out, each as soon as one valid source says so; waits for those to come.
   * Buffers a bounded number: a slow consumer makes the feed ask again later. Ends only by the signal (rejects with its reason).
   * Throws FeedError `ended` where the source is finite and has ended (a file without `--follow`).
   */
  blocks(from: Height, options: { readonly signal: AbortSignal }): AsyncIterable<SealedBlock>
  /**
   * Resolves with the block that the quorum settled on for a height. It may differ from the one `blocks` gave first: then
   * the first announcer was wrong and the settled one counts.
   */
  settled(height: Height, options: { readonly signal: AbortSignal }): Promise<SealedBlock>
  /** The consumer is done with all heights up to and including this one: what is buffered for them may be dropped. */
  release(upTo: Height): void
  /** Highest height heard of so far, also of blocks that were not kept. */
  readonly highest: Height | undefined
  /** Lowest height that some source still offers; `undefined` while unknown. */
  readonly lowestOffered: Height | undefined
  /** Resolves with `highest` as soon as something is known. */
  awaitHighest(options: { readonly signal: AbortSignal }): Promise<Height>
}
