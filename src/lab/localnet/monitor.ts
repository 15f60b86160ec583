import { readFile } from 'node:fs/promises'
import type { Clock } from '../../util/index.ts'
import { median, type RunFigures, runFigures } from './figures.ts'
import type { NodeProcess } from './node-process.ts'
import { allocationRate, type ResourceFigures, resourceFigures, type Scrapes } from './resources.ts'
import { type ProcessFigures, readProcessFigures } from './process-figures.ts'
import type { NodeStatus } from './status.ts'

/** The idle window of the report: the last 5 s of the quiet time. */
const IDLE_WINDOW_MS = 5_000
/** Samples are kept for four idle windows; older ones have left their mark in the peaks. */
const KEPT_MS = 4 * IDLE_WINDOW_MS

interface MemorySample {
  readonly atMs: number
  readonly rssBytes: number
  readonly anonBytes: number
}

export interface MemoryFigures {
  readonly rssBytes: { readonly idle: number | null; readonly peak: number }
  readonly anonBytes: { readonly idle: number | null; readonly peak: number }
}

/** Peaks of all samples and the median over the last of them. */
export class MemoryTrack {
  #samples: MemorySample[] = []
  #rssPeak = 0
  #anonPeak = 0

  add(sample: MemorySample): void {
    this.#rssPeak = Math.max(this.#rssPeak, sample.rssBytes)
    this.#anonPeak = Math.max(this.#anonPeak, sample.anonBytes)
    this.#samples = [...this.#samples.filter(({ atMs }) => sample.atMs - atMs <= KEPT_MS), sample]
  }

  get latest(): MemorySample | undefined {
    return this.#samples.at(-1)
  }

  /** `quietEndMs` is when the quiet time ended; without one there is no idle figure. */
  figures(quietEndMs: number | undefined): MemoryFigures {
    const idle = (of: (sample: MemorySample) => number): number | null => {
      if (quietEndMs === undefined) return null
      const within = this.#samples.filter(({ atMs }) => atMs <= quietEndMs && atMs >= quietEndMs - IDLE_WINDOW_MS)
      return median(within.map(of)) ?? null
    }
    return {
      rssBytes: { idle: idle((sample) => sample.rssBytes), peak: this.#rssPeak },
      anonBytes: { idle: idle((sample) => sample.anonBytes), peak: this.#anonPeak }
    }
  }
}

/** Watches one node through all its lives. */
export class NodeMonitor {
  readonly node: NodeProcess
  readonly #clock: Clock
  readonly #memory = new MemoryTrack()
  #ended: RunFigures[] = []
  #status: NodeStatus | undefined
  #kernel: ProcessFigures | undefined
  #quietEndMs: number | undefined
  #looking: Promise<void> | undefined
  #scrapes: Scrapes = {}

  constructor(components: { readonly clock: Clock }, node: NodeProcess) {
    this.#clock = components.clock
    this.node = node
  }

  /** The last status that was read, if only of an earlier life. */
  get status(): NodeStatus | undefined {
    return this.#status
  }

  get rssBytes(): number {
    return this.#memory.latest?.rssBytes ?? 0
  }

  /** All lives, the current one last. */
  get runs(): readonly RunFigures[] {
    return this.#status === undefined
      ? this.#ended
      : [...this.#ended, runFigures(this.#status, this.#kernel?.cpuSeconds)]
  }

  /** Exchange streams opened in all lives. */
  get streamsOpened(): number {
    return this.runs.reduce((sum, run) => sum + run.streams.opened, 0)
  }

  /** Reads the status and the kernel's figures. A node that does not answer keeps its last ones. One look at a time. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  /** The current life is over: its figures are kept, the next one counts from 0. */
  endRun(): void {
    this.#ended = [...this.runs]
    this.#status = undefined
    this.#kernel = undefined
  }

  /** The quiet time ends now: idle memory is what the samples before now say. */
  markQuietEnd(): void {
    this.#quietEndMs = this.#clock.now()
  }

  /** Reads the node's metrics. A node that does not answer has none for this moment. */
  async scrape(moment: keyof Scrapes): Promise<void> {
    if (!this.node.answering) return
    const atMs = this.#clock.now()
    const scrape = await this.node.scrape().catch(() => undefined)
    if (scrape !== undefined) this.#scrapes = { ...this.#scrapes, [moment]: { atMs, scrape } }
  }

  /** What it used between the closed mesh and the last one's catching up; not of a node that was started again. */
  async resources(): Promise<ResourceFigures | undefined> {
    if (this.#ended.length > 0) return undefined
    const log = await readFile(this.node.plan.logFile, 'utf8').catch(() => '')
    return resourceFigures(this.#scrapes, allocationRate(log))
  }

  memory(): MemoryFigures {
    return this.#memory.figures(this.#quietEndMs)
  }

  async #look(): Promise<void> {
    const { pid } = this.node
    if (pid === undefined || !this.node.running) return
    const kernel = await readProcessFigures(pid)
    this.#kernel = kernel ?? this.#kernel
    if (this.node.answering && this.node.addresses !== undefined) {
      const status = await this.node.status().catch(() => undefined)
      if (this.node.pid === pid) this.#status = status ?? this.#status
    }
    const { rssBytes, anonBytes } = kernel ?? this.#status?.memory ?? { rssBytes: 0, anonBytes: 0 }
    if (rssBytes > 0) this.#memory.add({ atMs: this.#clock.now(), rssBytes, anonBytes })
  }
}
