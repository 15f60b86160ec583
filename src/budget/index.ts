/** The memory budget: accounts in bytes under one cap, and the watch over what the process really takes. */
export type { MemoryAccount } from './account.ts'
export { AccountShare } from './account-share.ts'
export { defaultIdleOptions, type IdleOptions, IdleWatch } from './idle-watch.ts'
export { MemoryBudget } from './memory-budget.ts'
export { MemoryWatch, type MemoryWatchReading } from './memory-watch.ts'
export { type BudgetMetrics, createBudgetMetrics } from './metrics.ts'
export {
  type AccountName,
  type BudgetOptions,
  type BudgetStep,
  budgetOptions,
  defaultBudgetOptions,
  defaultMemoryWatchOptions,
  SMALLEST_BUDGET_BYTES,
  validateBudgetOptions
} from './options.ts'
export { atLeast, type PressureLevel } from './pressure.ts'
