import { type Clock, formatDuration, formatSize, sleep } from '../../util/index.ts'
import type { Stage } from './stage.ts'

/** A line so often while a load goes on. */
const LINE_EVERY_MS = 5_000

/** Says every few seconds how the target stands it. */
export class HammerProgress {
  readonly #components: { readonly clock: Clock; readonly note: (line: string) => void }
  readonly #controller = new AbortController()
  #loop: Promise<void> | undefined

  constructor(components: { readonly clock: Clock; readonly note: (line: string) => void }) {
    this.#components = components
  }

  start(stage: Stage): void {
    this.#loop ??= this.#run(stage)
  }

  async stop(): Promise<void> {
    this.#controller.abort()
    await this.#loop
  }

  async #run(stage: Stage): Promise<void> {
    const { clock, note } = this.#components
    const { signal } = this.#controller
    const startedAt = clock.now()
    while (!signal.aborted) {
      await sleep(clock, LINE_EVERY_MS, signal).catch(() => undefined)
      if (!signal.aborted) note(progressLine(stage, clock.now() - startedAt))
    }
  }
}

function progressLine({ current, parts }: Stage, elapsedMs: number): string {
  const { watch, target, arena } = parts
  const tally = current?.tally
  const height = watch.consecutive
  const made = arena?.newest
  const lag = height === undefined || made === undefined ? '-' : String(Math.max(0, made - height))
  return [
    (current?.name ?? 'quiet').padEnd(10),
    formatDuration(elapsedMs),
    `ok ${tally?.ok ?? 0}`,
    `rejected ${tally?.rejected ?? 0}`,
    `failed ${tally?.failed ?? 0}`,
    `height ${height ?? '-'}`,
    `lag ${lag}`,
    `rss ${formatSize(watch.latest?.rssBytes ?? 0)} peak ${formatSize(watch.rssPeakBytes ?? 0)}`,
    `restarts ${target.restarts}`
  ].join('  ')
}
