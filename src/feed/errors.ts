import { AppError } from '../util/index.ts'

/**
 * - `stopped`: the feed was stopped.
 * - `ended`: the source is finite and has ended.
 * - `released`: the height has been released by the consumer.
 * - `not-offered`: the source begins at a higher height (details: `from`, `lowest`).
 * - `malformed-line`, `line-too-long`: a line of the block list (details: `line`).
 * - `gap`: heights of the block list are not consecutive and ascending (details: `line`, `expected`, `found`).
 * - `truncated`, `replaced`: the block list became shorter, or another file, while it was followed.
 * - `unreadable`: the block list cannot be opened or read.
 * - `host-unreachable`, `host-timeout`, `host-refused`: a host of the Access API cannot be had, does not answer, or says no.
 * - `not-found`: it does not have the block or its result (yet).
 * - `execution-data-id-empty`: its result has no execution data id.
 * - `answer-malformed`, `answer-too-large`: what it answers cannot be so.
 */
export type FeedErrorCode =
  | 'stopped'
  | 'ended'
  | 'released'
  | 'not-offered'
  | 'malformed-line'
  | 'line-too-long'
  | 'gap'
  | 'truncated'
  | 'replaced'
  | 'unreadable'
  | 'host-unreachable'
  | 'host-timeout'
  | 'host-refused'
  | 'not-found'
  | 'execution-data-id-empty'
  | 'answer-malformed'
  | 'answer-too-large'

/** What the feed's public calls reject with, beside a signal's reason. */
export class FeedError extends AppError<FeedErrorCode> {}
