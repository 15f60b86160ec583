/** Whole networks of real processes, to be looked at and measured. */
export { NAMED_ARMS } from './compare/arms.ts'
export {
  type CompareOptions,
  defaultCompareOptions,
  HISTORY_ROUNDS,
  historyLocalnet,
  validateCompareOptions
} from './compare/options.ts'
export type { PrometheusReport } from './compare/prometheus-compare.ts'
export {
  defaultPrometheusOptions,
  type PrometheusOptions,
  validatePrometheusOptions
} from './compare/prometheus-options.ts'
export { runPrometheusComparison } from './compare/prometheus-run.ts'
export type { CompareReport } from './compare/report.ts'
export { runCompare } from './compare/run.ts'
export { renderComparison, renderPrometheus } from './compare/table.ts'
export { LabError, type LabErrorCode } from './errors.ts'
export {
  defaultHammerOptions,
  HAMMER_LEVELS,
  HAMMER_MODES,
  type HammerLevel,
  type HammerMode,
  type HammerOptions,
  validateHammerOptions
} from './hammer/options.ts'
export type { HammerReport } from './hammer/report.ts'
export { runHammer } from './hammer/run.ts'
export { renderHammer } from './hammer/summary.ts'
export type { LocalnetReport, NodeReport } from './localnet/report.ts'
export { runLocalnet, type RunLocalnetContext } from './localnet/run.ts'
export { renderSummary } from './localnet/summary.ts'
export { defaultLocalnetOptions, type LocalnetOptions, validateLocalnetOptions } from './options.ts'
export { parseSettings } from './settings.ts'
