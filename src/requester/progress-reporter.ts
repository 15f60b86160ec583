import type { Logger } from '../log/logger.ts'
import type { Height } from '../model/index.ts'
import type { Clock, Service, Timer } from '../util/index.ts'
import { type ProgressSnapshot, progressLine } from './progress-line.ts'

export interface ProgressReporterOptions {
  /** Time between two lines, ms. */
  readonly everyMs: number
  /** The rate is taken over this time, ms: long enough that a burst does not look like a speed. */
  readonly rateWindowMs: number
}

export const defaultProgressReporterOptions: ProgressReporterOptions = Object.freeze({
  everyMs: 10_000,
  rateWindowMs: 60_000
})

export interface ReporterComponents {
  readonly clock: Clock
  readonly logger: Logger
  readonly read: () => ProgressReading
}

/** Everything but the rate, which the reporter measures. */
export type ProgressReading = Omit<ProgressSnapshot, 'blocksPerSecond'>

export interface ProgressReporter extends Service {
  /** What the next line would tell. */
  snapshot(): ProgressSnapshot
}

/** Writes a progress line through the logger every so often; the line is the message, so that it is read as it stands. */
export function createProgressReporter(
  components: ReporterComponents,
  options: ProgressReporterOptions
): ProgressReporter {
  return new LineReporter(components, options)
}

interface Sample {
  readonly at: number
  readonly height: Height
}

class LineReporter implements ProgressReporter {
  readonly #components: ReporterComponents
  readonly #options: ProgressReporterOptions
  readonly #samples: Sample[] = []
  #timer: Timer | undefined
  #stopped = false

  constructor(components: ReporterComponents, options: ProgressReporterOptions) {
    this.#components = components
    this.#options = options
  }

  async start(): Promise<void> {
    if (this.#timer === undefined && !this.#stopped) this.#arm()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
  }

  snapshot(): ProgressSnapshot {
    const reading = this.#components.read()
    return { ...reading, blocksPerSecond: this.#rate(reading.consecutive) }
  }

  #rate(consecutive: Height | undefined): number | undefined {
    const [oldest] = this.#samples
    if (oldest === undefined || consecutive === undefined) return undefined
    const elapsed = this.#components.clock.now() - oldest.at
    return elapsed <= 0 ? undefined : ((consecutive - oldest.height) * 1000) / elapsed
  }

  #arm(): void {
    const { clock } = this.#components
    this.#timer = clock.setTimer(this.#options.everyMs, () => this.#report(), { background: true })
  }

  #report(): void {
    const snapshot = this.snapshot()
    const { feed = null, consecutive = null, blocksPerSecond = null } = snapshot
    this.#components.logger.info({ feed, consecutive, blocksPerSecond }, progressLine(snapshot))
    this.#sample(snapshot.consecutive)
    if (!this.#stopped) this.#arm()
  }

  #sample(height: Height | undefined): void {
    if (height === undefined) return
    const at = this.#components.clock.now()
    this.#samples.push({ at, height })
    while (this.#samples.length > 1 && at - (this.#samples[0]?.at ?? at) >= this.#options.rateWindowMs)
      this.#samples.shift()
  }
}
