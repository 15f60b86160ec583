import { Counter, Gauge, type Registry } from 'prom-client'
import { PRESSURE_LEVELS } from './pressure.ts'

export interface BudgetMetrics {
  readonly reserved: Gauge<'account'>
  readonly cap: Gauge<'account'>
  readonly total: Gauge
  readonly refused: Counter<'account'>
  readonly limit: Gauge
  readonly unaccounted: Gauge
  /** Index into `PRESSURE_LEVELS`. */
  readonly level: Gauge
  readonly changes: Counter<'level'>
  readonly reclaimed: Counter<'account'>
  readonly rests: Counter
}

export function createBudgetMetrics(register: Registry): BudgetMetrics {
  const registers = [register]
  const metrics = {
    ...createCounters(registers),
    reserved: new Gauge({
      name: 'sealsync_budget_reserved_bytes',
      help: 'Bytes that an account of the memory budget holds',
      labelNames: ['account'] as const,
      registers
    }),
    cap: new Gauge({
      name: 'sealsync_budget_cap_bytes',
      help: 'Most bytes that an account of the memory budget may hold',
      labelNames: ['account'] as const,
      registers
    }),
    total: new Gauge({
      name: 'sealsync_budget_total_bytes',
      help: 'Most bytes that all accounts of the memory budget may hold together',
      registers
    }),
    limit: new Gauge({
      name: 'sealsync_budget_limit_bytes',
      help: 'What the process may take in all: the setting, the cgroup, or the machine',
      registers
    }),
    unaccounted: new Gauge({
      name: 'sealsync_budget_unaccounted_bytes',
      help: 'Resident memory that stands in no account: the program, the JS heap, buffers of libraries',
      registers
    }),
    level: new Gauge({
      name: 'sealsync_budget_pressure_level',
      help: `Memory pressure: ${PRESSURE_LEVELS.map((level, at) => `${at} ${level}`).join(', ')}`,
      registers
    })
  }
  for (const level of PRESSURE_LEVELS) metrics.changes.inc({ level }, 0)
  return metrics
}

function createCounters(registers: Registry[]) {
  return {
    refused: new Counter({
      name: 'sealsync_budget_refused_total',
      help: 'Reservations refused because the account or the whole budget was full',
      labelNames: ['account'] as const,
      registers
    }),
    changes: new Counter({
      name: 'sealsync_budget_pressure_changes_total',
      help: 'Times that memory pressure came to a level',
      labelNames: ['level'] as const,
      registers
    }),
    reclaimed: new Counter({
      name: 'sealsync_budget_reclaimed_bytes_total',
      help: 'Bytes that an elastic account gave back because another needed them',
      labelNames: ['account'] as const,
      registers
    }),
    rests: new Counter({
      name: 'sealsync_budget_rests_total',
      help: 'Times that a node with nothing to do gave back what its last load had left',
      registers
    })
  }
}
