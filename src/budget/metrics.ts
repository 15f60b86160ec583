import { Counter, Gauge, type Registry } from 'prom-client'

export interface BudgetMetrics {
  readonly reserved: Gauge<'account'>
  readonly cap: Gauge<'account'>
  readonly refused: Counter<'account'>
}

export function createBudgetMetrics(register: Registry): BudgetMetrics {
  const registers = [register]
  return {
    reserved: new Gauge({
      name: 'sealsync_budget_reserved_bytes',
      help: 'Bytes that an account of the memory budget holds',
      labelNames: ['account'],
      registers
    }),
    cap: new Gauge({
      name: 'sealsync_budget_cap_bytes',
      help: 'Most bytes that an account of the memory budget may hold',
      labelNames: ['account'],
      registers
    }),
    refused: new Counter({
      name: 'sealsync_budget_refused_total',
      help: 'Reservations refused because the account or the whole budget was full',
      labelNames: ['account'],
      registers
    })
  }
}
