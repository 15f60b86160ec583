/** Deletes what retention no longer keeps, in small steps beside everything else. */
export type { PrunerError, PrunerErrorCode } from './errors.ts'
export { createPrunerMetrics, createVerifierMetrics, type PrunerMetrics, type PrunerTask } from './metrics.ts'
export { defaultPrunerOptions, type PrunerOptions, type Retention, validatePrunerOptions } from './options.ts'
export type { PrunePlan } from './plan.ts'
export type { NodeLoad, PrunerComponents, ReclaimPort } from './ports.ts'
export { WindDown, type WindDownRecord, type WindDownStatus } from './wind-down.ts'
export { Verifier, type VerifyState } from './verifier.ts'
export { createPruner, type Pruner, type PrunerStatus } from './pruner.ts'
