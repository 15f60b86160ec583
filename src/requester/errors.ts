import { AppError } from '../util/index.ts'

export type RequesterErrorCode =
  /** An option is out of its bounds; details: `faults`. */
  | 'option-invalid'
  /** `start` was called twice, or after `stop`. */
  | 'already-started'
  /** One try to fetch a height took longer than its time; it is repeated. Details: `height`, `timeoutMs`. */
  | 'attempt-timeout'
  /** The feed settled on another block while this one was being fetched. Details: `height`. */
  | 'superseded'
  /** The requester is being stopped: the reason of every signal it hands out. */
  | 'stopped'
  /** A height was to leave a state that it is not in: a bug. Details: `height`, `from`, `to`. */
  | 'illegal-transition'
  /** The tracker, the progress store, the feed or the downloader failed in a way that no retry mends. */
  | 'broken'

/** Errors of the room requester. */
export class RequesterError extends AppError<RequesterErrorCode> {}
