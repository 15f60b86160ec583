import { statfs } from 'node:fs/promises'
import type { Logger } from '../log/index.ts'
import type { NodeMetrics } from './metrics.ts'
import { type Clock, formatSize, messageOf, type Service, type Timer } from '../util/index.ts'

export interface DiskWatchOptions {
  readonly path: string
  /** Below this the node says it is not ready: room for one segment and the index to be written in order. */
  readonly lowWaterBytes: number
  readonly everyMs: number
}

export const defaultDiskWatchOptions: Omit<DiskWatchOptions, 'path'> = Object.freeze({
  lowWaterBytes: 512 * 1024 ** 2,
  everyMs: 10_000
})

/** Looks at the room on the data directory's disk every so often. */
export class DiskWatch implements Service {
  readonly #components: {
    readonly clock: Clock
    readonly logger: Logger
    readonly metrics: Pick<NodeMetrics, 'diskFree' | 'diskTotal'>
  }
  readonly #options: DiskWatchOptions
  #freeBytes = Number.POSITIVE_INFINITY
  #timer: Timer | undefined
  #stopped = false

  constructor(
    components: {
      readonly clock: Clock
      readonly logger: Logger
      readonly metrics: Pick<NodeMetrics, 'diskFree' | 'diskTotal'>
    },
    options: DiskWatchOptions
  ) {
    this.#components = components
    this.#options = options
  }

  get ok(): boolean {
    return this.#freeBytes >= this.#options.lowWaterBytes
  }

  /** From 0, with four times the low-water mark free or more, to 1 at the mark. */
  get pressure(): number {
    const { lowWaterBytes } = this.#options
    return Math.min(1, Math.max(0, (4 * lowWaterBytes - this.#freeBytes) / (3 * lowWaterBytes)))
  }

  async start(): Promise<void> {
    await this.#look()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
  }

  async #look(): Promise<void> {
    const { clock, logger, metrics } = this.#components
    const wasOk = this.ok
    try {
      const { bavail, blocks, bsize } = await statfs(this.#options.path)
      this.#freeBytes = bavail * bsize
      metrics.diskFree.set(this.#freeBytes)
      metrics.diskTotal.set(blocks * bsize)
    } catch (error) {
      logger.warn({ path: this.#options.path, error: messageOf(error) }, 'cannot see how full the disk is')
    }
    if (wasOk && !this.ok) logger.warn({ free: formatSize(this.#freeBytes) }, 'the disk is nearly full')
    if (!this.#stopped)
      this.#timer = clock.setTimer(this.#options.everyMs, () => void this.#look(), { background: true })
  }
}
