import type { BlockId, ExecutionDataId, Height } from '../../model/index.ts'

/** What the feed takes of a sealed block's header. */
export interface SealedHeader {
  readonly height: Height
  readonly blockId: BlockId
  readonly parentId: BlockId
}

/**
 * One host of Flow's Access API, as far as the feed asks it. Answers are checked for form and bounded in size; whether they are true is
 * the quorum's business. Every call rejects with FeedError `host-unreachable`, `host-timeout`, `host-refused`, `answer-malformed`,
 * `answer-too-large`, `not-found`, or the signal's reason.
 */
export interface AccessHost {
  /** `HOST:PORT`, for logs. */
  readonly name: string
  /** The highest sealed block that the host knows. */
  latestSealed(options: CallOptions): Promise<SealedHeader>
  headerAt(height: Height, options: CallOptions): Promise<SealedHeader>
  /** Of the result that the host holds for a block. Also rejects with `execution-data-id-empty`. */
  executionDataIdOf(blockId: BlockId, options: CallOptions): Promise<ExecutionDataId>
  close(): void
}

export interface CallOptions {
  readonly signal: AbortSignal
}
