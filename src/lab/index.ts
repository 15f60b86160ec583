/** Whole networks of real processes, to be looked at and measured. */
export { LabError, type LabErrorCode } from './errors.ts'
export type { LocalnetReport, NodeReport } from './localnet/report.ts'
export { runLocalnet, type RunLocalnetContext } from './localnet/run.ts'
export { renderSummary } from './localnet/summary.ts'
export { defaultLocalnetOptions, type LocalnetOptions, validateLocalnetOptions } from './options.ts'
