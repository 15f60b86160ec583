/**
 * Watches resident memory as the truth behind the accounts.
 *
 * Every `everyMs` it reads the process's resident memory and the limit over it (which an operator may shrink while the node
 * runs), takes the larger of two shares (resident over limit, reserved over budget, elastic holders left out) as the
 * pressure, and tells whoever listens when the level changes. What is resident and stands in no account is published.
 */
import type { Clock, Service, Timer } from '../util/index.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { BudgetMetrics } from './metrics.ts'
import { type MemoryWatchOptions, PRESSURE_OPTIONS } from './options.ts'
import { PRESSURE_LEVELS, PressureGauge, type PressureLevel } from './pressure.ts'

export interface MemoryWatchComponents {
  readonly budget: Pick<MemoryBudget, 'reservedBytes' | 'elasticBytes' | 'totalBytes'>
  readonly clock: Clock
  readonly metrics: BudgetMetrics
  /** Resident bytes of the process, those that the kernel cannot drop by itself. */
  readonly readResident: () => number
  /** What the process may take, bytes; asked again each time. */
  readonly readLimit: () => number
}

export interface MemoryWatchReading {
  readonly level: PressureLevel
  /** The larger of resident over limit and reserved (without elastic holders) over budget. */
  readonly share: number
  readonly residentBytes: number
  readonly limitBytes: number
  /** Resident and in no account: the program, the JS heap, buffers of libraries. */
  readonly unaccountedBytes: number
}

/** Gets the reading that changed the level, and the level before. */
export type PressureListener = (reading: MemoryWatchReading, before: PressureLevel) => void

export class MemoryWatch implements Service {
  readonly #components: MemoryWatchComponents
  readonly #options: MemoryWatchOptions
  readonly #gauge = new PressureGauge(PRESSURE_OPTIONS)
  readonly #listeners: PressureListener[] = []
  #timer: Timer | undefined
  #reading: MemoryWatchReading = { level: 'none', share: 0, residentBytes: 0, limitBytes: 0, unaccountedBytes: 0 }
  #stopped = false

  constructor(components: MemoryWatchComponents, options: MemoryWatchOptions) {
    this.#components = components
    this.#options = options
  }

  get level(): PressureLevel {
    return this.#gauge.level
  }

  /** The last reading. */
  get reading(): MemoryWatchReading {
    return this.#reading
  }

  /** Called at each change of the level, for as long as the process lives. */
  onLevel(listener: PressureListener): void {
    this.#listeners.push(listener)
  }

  async start(): Promise<void> {
    this.#look()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #look(): void {
    const { budget, clock, metrics } = this.#components
    const residentBytes = this.#components.readResident()
    const limitBytes = this.#components.readLimit()
    const before = this.level
    const share = Math.max(residentBytes / limitBytes, (budget.reservedBytes - budget.elasticBytes) / budget.totalBytes)
    const level = this.#gauge.update(share, clock.now())
    const unaccountedBytes = Math.max(0, residentBytes - budget.reservedBytes)
    this.#reading = { level, share, residentBytes, limitBytes, unaccountedBytes }
    metrics.limit.set(limitBytes)
    metrics.unaccounted.set(unaccountedBytes)
    metrics.level.set(PRESSURE_LEVELS.indexOf(level))
    if (level !== before) {
      metrics.changes.inc({ level })
      for (const listener of this.#listeners) listener(this.#reading, before)
    }
    if (this.#stopped) return
    this.#timer = clock.setTimer(this.#options.everyMs, () => this.#look(), { background: true })
  }
}
