/** The memory budget: accounts in bytes under one cap. */
export type { MemoryAccount } from './account.ts'
export { MemoryBudget } from './memory-budget.ts'
export { type BudgetMetrics, createBudgetMetrics } from './metrics.ts'
export { type AccountName, type BudgetOptions, defaultBudgetOptions, validateBudgetOptions } from './options.ts'
