import { AppError } from '../util/index.ts'

/**
 * - `option-invalid`: options that cannot work together; `details.faults` says which.
 * - `not-held`: what is to be pruned reaches above the heights that are held and done with.
 * - `stopped`: the pruner was stopped before it was done; what it did stays.
 */
export type PrunerErrorCode = 'option-invalid' | 'not-held' | 'stopped'

/** What the pruner's calls reject with, beside the errors of the store and of the tracker's database. */
export class PrunerError extends AppError<PrunerErrorCode> {}
