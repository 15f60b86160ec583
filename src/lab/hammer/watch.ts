import { readFile, writeFile } from 'node:fs/promises'
import type { Height } from '../../model/index.ts'
import { type Clock, sleep } from '../../util/index.ts'
import { median } from '../localnet/figures.ts'
import { readProcessFigures } from '../localnet/process-figures.ts'
import type { NodeStatus } from '../localnet/status.ts'
import type { Target } from './target.ts'

/** Resident memory is looked at so often; the kernel's own high-water mark holds what lies between. */
const SAMPLE_MS = 250
/** Samples kept: the last 10 s. */
const KEPT = 40

export interface MemorySample {
  readonly atMs: number
  readonly rssBytes: number
  readonly anonBytes: number
}

export interface WatchedHeights {
  /** Height of the newest block that was made; `undefined` when nobody knows. */
  readonly made: () => Height | undefined
  /** The highest that was heard announced beside the target; `undefined` before the first. */
  readonly heard: () => Height | undefined
}

/**
 * Looks at the target four times a second: resident memory, CPU time, how far it has synced. Lag counts while `counting`: not when blocks
 * come as fast as the target takes them, where it is what the driver makes it.
 *
 * Lag is what was announced and is not synced, both at one moment: the highest height that anybody had heard of when the target was
 * asked, or that it names itself in the answer that says how far it has come. How long the execution node takes over an announcement is
 * not the target's doing, nor what is made while an answer is on its way.
 */
export class TargetWatch {
  readonly #clock: Clock
  readonly #target: Target
  readonly #heights: WatchedHeights
  readonly #controller = new AbortController()
  #loop: Promise<void> | undefined
  #samples: MemorySample[] = []
  #rssPeak = 0
  #anonPeak = 0
  #peakOfPhase = 0
  #cpu = { pid: 0, before: 0, now: 0 }
  #status: NodeStatus | undefined
  #consecutive: number | undefined
  #waitingSince: number | undefined
  #lagMax: number | undefined
  #pauseMax = 0
  counting = false

  constructor(components: { readonly clock: Clock; readonly target: Target }, heights: WatchedHeights) {
    this.#clock = components.clock
    this.#target = components.target
    this.#heights = heights
  }

  start(): void {
    this.#loop ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#controller.abort()
    await this.#loop
  }

  get latest(): MemorySample | undefined {
    return this.#samples.at(-1)
  }

  /** The last status that was read, if only before the target went. */
  get status(): NodeStatus | undefined {
    return this.#status
  }

  get consecutive(): number | undefined {
    return this.#consecutive
  }

  get rssPeakBytes(): number | null {
    return this.#rssPeak === 0 ? null : this.#rssPeak
  }

  get anonPeakBytes(): number | null {
    return this.#anonPeak === 0 ? null : this.#anonPeak
  }

  get cpuSeconds(): number | null {
    return this.#cpu.pid === 0 ? null : this.#cpu.before + this.#cpu.now
  }

  get lagMax(): number | null {
    return this.#lagMax ?? null
  }

  get pauseMaxMs(): number | null {
    return this.#lagMax === undefined ? null : Math.round(this.#pauseMax)
  }

  /** Median of the samples of the last `ms`. */
  recent(ms: number): { readonly rssBytes: number; readonly anonBytes: number } | undefined {
    const from = this.#clock.now() - ms
    const late = this.#samples.slice(-1)
    const recent = this.#samples.filter(({ atMs }) => atMs >= from)
    // A machine too busy to look in that time has looked before.
    const within = recent.length > 0 ? recent : late
    const rssBytes = median(within.map((sample) => sample.rssBytes))
    const anonBytes = median(within.map((sample) => sample.anonBytes))
    return rssBytes === undefined || anonBytes === undefined ? undefined : { rssBytes, anonBytes }
  }

  /** Lets the high-water mark begin anew; {@link peakSince} then says the most since. */
  async markPeak(): Promise<void> {
    const { pid } = this.#target
    this.#peakOfPhase = 0
    // Where there is no such file the mark is that of the whole run, which is no less.
    if (pid !== undefined) await writeFile(`/proc/${pid}/clear_refs`, '5').catch(() => undefined)
    await this.#look()
  }

  async peakSince(): Promise<number> {
    await this.#look()
    return this.#peakOfPhase
  }

  /** Lag and pauses are counted anew from here. */
  resetLag(): void {
    this.#lagMax = undefined
    this.#pauseMax = 0
    this.#waitingSince = undefined
  }

  async #run(): Promise<void> {
    const { signal } = this.#controller
    for (let due = this.#clock.now(); !signal.aborted; ) {
      await this.#look()
      due = Math.max(due + SAMPLE_MS, this.#clock.now())
      await sleep(this.#clock, Math.max(0, due - this.#clock.now()), signal).catch(() => undefined)
    }
  }

  async #look(): Promise<void> {
    const heard = this.#heights.heard()
    const [, status] = await Promise.all([this.#lookAtProcess(), this.#target.status().catch(() => undefined)])
    if (status !== undefined) {
      this.#status = status
      if (this.#target.pid === undefined) this.#remember(status.memory)
      if (this.#target.pid === undefined) this.#cpu = { pid: 1, before: 0, now: status.cpuSeconds }
    }
    this.#lookAtHeights(heard, status?.heights)
  }

  #lookAtHeights(heard: Height | undefined, { feed, consecutive }: Partial<NodeStatus['heights']> = {}): void {
    const now = this.#clock.now()
    // Heights that were made before the run are not announced anew.
    const known = this.#heights.made() === undefined ? undefined : Math.max(heard ?? 0, feed ?? 0)
    const before = this.#consecutive
    if (consecutive !== undefined) this.#consecutive = consecutive
    const lag = known === undefined || this.#consecutive === undefined ? 0 : Math.max(0, known - this.#consecutive)
    const moved = consecutive !== undefined && consecutive !== before
    if (lag === 0) this.#waitingSince = undefined
    else if (moved || this.#waitingSince === undefined) this.#waitingSince = now
    if (!this.counting) return
    this.#lagMax = Math.max(this.#lagMax ?? 0, lag)
    if (this.#waitingSince !== undefined) this.#pauseMax = Math.max(this.#pauseMax, now - this.#waitingSince)
  }

  async #lookAtProcess(): Promise<void> {
    const { pid } = this.#target
    if (pid === undefined) return
    const [figures, peak] = await Promise.all([readProcessFigures(pid), readPeak(pid)])
    if (figures === undefined) return
    if (this.#cpu.pid !== pid) this.#cpu = { pid, before: this.#cpu.before + this.#cpu.now, now: 0 }
    this.#cpu.now = figures.cpuSeconds
    this.#remember(figures, peak)
  }

  #remember(sample: Omit<MemorySample, 'atMs'>, peak = 0): void {
    this.#samples.push({ atMs: this.#clock.now(), rssBytes: sample.rssBytes, anonBytes: sample.anonBytes })
    if (this.#samples.length > KEPT) this.#samples.shift()
    this.#peakOfPhase = Math.max(this.#peakOfPhase, sample.rssBytes, peak)
    this.#rssPeak = Math.max(this.#rssPeak, sample.rssBytes, peak)
    this.#anonPeak = Math.max(this.#anonPeak, sample.anonBytes)
  }
}

/** The kernel's high-water mark of resident memory, bytes; 0 where it has none. */
async function readPeak(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024
}
