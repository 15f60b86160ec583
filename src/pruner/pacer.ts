import type { NodeLoad } from './ports.ts'
import type { PrunerOptions } from './options.ts'

/** How much of a new measurement of lateness counts. */
const LAG_WEIGHT = 0.2

/**
 * Decides how long to pause after a step. With nothing else to do pruning takes its idle share of the time. On a busy node it takes
 * its busy share, which rises to the idle share with backlog and a filling disk; never less, so that it does not starve.
 */
export class Pacer {
  readonly #options: PrunerOptions
  #lagMs = 0
  #share: number
  /** Bytes deleted beyond what the rate allowed so far. */
  #debtBytes = 0

  constructor(options: PrunerOptions) {
    this.#options = options
    this.#share = options.idleShare
  }

  /** The share of the time that pruning takes now. */
  get share(): number {
    return this.#share
  }

  /** A pause ended this much later than it should have: the loop was busy. */
  noteLag(lateMs: number): void {
    this.#lagMs += LAG_WEIGHT * (Math.max(0, lateMs) - this.#lagMs)
  }

  isBusy({ queue }: NodeLoad): boolean {
    return this.#lagMs > this.#options.busyLagMs || queue > this.#options.busyQueue
  }

  /** Milliseconds to pause. `backlog` is from 0 (none) to 1 (as much as is retained, or more). */
  pauseAfter(step: {
    readonly busyMs: number
    readonly freedBytes: number
    readonly load: NodeLoad
    readonly backlog: number
  }): number {
    const { busyShare, idleShare, maxPauseMs, bytesPerSecond } = this.#options
    const pressure = Math.min(1, Math.max(step.backlog, step.load.diskPressure))
    this.#share = this.isBusy(step.load) ? busyShare + (idleShare - busyShare) * pressure : idleShare
    const pause = Math.min(maxPauseMs, (step.busyMs * (1 - this.#share)) / this.#share)
    return bytesPerSecond === 0 ? pause : Math.max(pause, this.#rateMs(step, pause))
  }

  #rateMs(step: { readonly busyMs: number; readonly freedBytes: number }, pauseMs: number): number {
    const { bytesPerSecond } = this.#options
    this.#debtBytes = Math.max(0, this.#debtBytes + step.freedBytes - (bytesPerSecond * step.busyMs) / 1000)
    const ms = Math.max(pauseMs, (this.#debtBytes / bytesPerSecond) * 1000)
    this.#debtBytes = Math.max(0, this.#debtBytes - (bytesPerSecond * ms) / 1000)
    return ms
  }
}
