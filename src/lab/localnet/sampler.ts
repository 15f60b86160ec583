import { type Clock, sleep } from '../../util/index.ts'
import type { NodeMonitor } from './monitor.ts'
import type { Scrapes } from './resources.ts'

const INTERVAL_MS = 1_000
/** The mesh's own streams are opened in the first seconds; a steady state shows what is opened after that. */
const STEADY_AFTER_MS = 5_000
/** A rate over less than that says nothing. */
const SHORTEST_WINDOW_MS = 1_000

interface Mark {
  readonly atMs: number
  readonly opened: ReadonlyMap<NodeMonitor, number>
}

/** Streams opened a second between two marks. `undefined` when there is no such window or it is shorter than a second. */
export function openedPerSecond(window: {
  readonly fromMs: number
  readonly toMs: number
  readonly opened: number
}): number | undefined {
  const ms = window.toMs - window.fromMs
  return ms >= SHORTEST_WINDOW_MS ? (window.opened * 1000) / ms : undefined
}

/** Looks at every node once a second and marks the steady window: from 5 s after the full mesh to the last block. */
export class Sampler {
  readonly monitors: readonly NodeMonitor[]
  readonly #clock: Clock
  readonly #onSample: () => void
  readonly #controller = new AbortController()
  #loop: Promise<void> | undefined
  #steadyFrom: Mark | undefined
  #steadyTo: Mark | undefined
  #meshAtMs: number | undefined
  #frozen = false

  constructor(components: { readonly clock: Clock; readonly onSample: () => void }, monitors: readonly NodeMonitor[]) {
    this.#clock = components.clock
    this.#onSample = components.onSample
    this.monitors = monitors
  }

  start(): void {
    this.#loop ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#controller.abort()
    await this.#loop
  }

  /** Every node is connected with every other. */
  markMesh(): void {
    this.#meshAtMs = this.#clock.now()
  }

  /** The last block has been given: the steady window ends. */
  async markLastBlock(): Promise<void> {
    await this.lookAtAll()
    if (this.#steadyFrom !== undefined) this.#steadyTo = this.#mark()
  }

  /** What follows is not part of the measurement: the figures stay as they are now. */
  async freeze(): Promise<void> {
    await this.lookAtAll()
    this.#frozen = true
  }

  async scrapeAll(moment: keyof Scrapes): Promise<void> {
    await Promise.all(this.monitors.map((monitor) => monitor.scrape(moment)))
  }

  async lookAtAll(): Promise<void> {
    await Promise.all(this.monitors.map((monitor) => monitor.look()))
  }

  steadyRate(monitor: NodeMonitor): number | undefined {
    if (this.#steadyFrom === undefined || this.#steadyTo === undefined) return undefined
    return openedPerSecond({
      fromMs: this.#steadyFrom.atMs,
      toMs: this.#steadyTo.atMs,
      opened: (this.#steadyTo.opened.get(monitor) ?? 0) - (this.#steadyFrom.opened.get(monitor) ?? 0)
    })
  }

  #mark(): Mark {
    return {
      atMs: this.#clock.now(),
      opened: new Map(this.monitors.map((monitor) => [monitor, monitor.streamsOpened]))
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#controller
    let due = this.#clock.now()
    while (!signal.aborted) {
      if (!this.#frozen) await this.lookAtAll()
      const steady = this.#meshAtMs !== undefined && this.#clock.now() - this.#meshAtMs >= STEADY_AFTER_MS
      if (steady && this.#steadyFrom === undefined) {
        this.#steadyFrom = this.#mark()
        await this.scrapeAll('steady')
      }
      this.#onSample()
      due = Math.max(due + INTERVAL_MS, this.#clock.now())
      await sleep(this.#clock, Math.max(0, due - this.#clock.now()), signal).catch(() => undefined)
    }
  }
}
