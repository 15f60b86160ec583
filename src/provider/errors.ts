import { AppError } from '../util/index.ts'

export type ProviderErrorCode =
  /** An option is out of its bounds; details: `faults`. */
  | 'option-invalid'
  /** `start` was called twice, or after `stop`. */
  | 'already-started'
  /** A blob given to `ingest` exceeds what any node accepts; details: `cid`, `bytes`, `limit`. */
  | 'blob-too-large'
  /** Too many `ingest` calls at a time; try again later. Details: `limit`. */
  | 'ingest-busy'
  /** `ingest` for a height that is pruned: nothing would ever refer to the blobs. Details: `height`, `prunedTo`. */
  | 'height-pruned'
  /** The announcement log takes heights in ascending order only; details: `height`, `highest`. */
  | 'not-ascending'
  /** The provider is being stopped: the reason of every signal it hands out. */
  | 'stopped'
  /** The store, the tracker, the log, the feed or the signer failed in a way that no retry mends. */
  | 'broken'

/** Errors of the room provider. */
export class ProviderError extends AppError<ProviderErrorCode> {}
