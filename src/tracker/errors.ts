import { AppError } from '../util/index.ts'

/**
 * - `corrupt`: a record of the tracker or of the progress has not the form it must have.
 * - `too-many-cids`: a block lists more blobs than `maxCidsPerBlock`.
 * - `blobs-gone`: blobs of the block were pruned between its download and its tracking: it has to be downloaded again.
 */
export type TrackerErrorCode = 'corrupt' | 'too-many-cids' | 'blobs-gone'

/** What the tracker rejects with, beside the errors of its key-value space. */
export class TrackerError extends AppError<TrackerErrorCode> {}
