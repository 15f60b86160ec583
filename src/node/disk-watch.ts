import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../log/index.ts'
import { StoreError } from '../store/index.ts'
import type { NodeMetrics } from './metrics.ts'
import { type Clock, formatSize, messageOf, type Service, type Timer } from '../util/index.ts'

export interface DiskWatchOptions {
  /** Below this nothing more is fetched and the node says it is not ready; it reads, serves and prunes on. Room for a segment and the index. */
  readonly lowWaterBytes: number
  /** Below this the node stops in order, while there is room to do so. */
  readonly criticalBytes: number
  /** Kept in a file that is given up at the critical mark, so that the index can be written while the node stops. */
  readonly reserveBytes: number
  /** How often it is looked while there is room, ms. */
  readonly everyMs: number
  /** How often while room is short, ms. */
  readonly everyWhenShortMs: number
  /** So many writes refused for want of room though there is some: the database has given up, and only a restart helps. */
  readonly maxUnexplained: number
}

const MIB = 1024 ** 2

export const defaultDiskWatchOptions: DiskWatchOptions = Object.freeze({
  lowWaterBytes: 512 * MIB,
  criticalBytes: 64 * MIB,
  reserveBytes: 4 * MIB,
  everyMs: 10_000,
  everyWhenShortMs: 1_000,
  maxUnexplained: 5
})

/** A disk's room, and the file that holds some of it back. */
export interface DiskRoom {
  room(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>
  /** Makes the reserve as long as it has to be; fine when it is. */
  reserve(bytes: number): Promise<void>
  giveUpReserve(): Promise<void>
}

export interface DiskWatchComponents {
  readonly disk: DiskRoom
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Pick<NodeMetrics, 'diskFree' | 'diskTotal'>
}

/** Looks at the room on the data directory's disk, and says what may still be done. */
export class DiskWatch implements Service {
  /** Rejects with StoreError `disk-full` at the critical mark. */
  readonly failed: Promise<never>
  readonly #components: DiskWatchComponents
  readonly #options: DiskWatchOptions
  #freeBytes = Number.POSITIVE_INFINITY
  #unexplained = 0
  #fail: (error: StoreError) => void = () => undefined
  #timer: Timer | undefined
  #stopped = false

  constructor(components: DiskWatchComponents, options: DiskWatchOptions) {
    this.#components = components
    this.#options = options
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => undefined)
  }

  /** Whether there is room to fetch more. */
  get ok(): boolean {
    return this.#freeBytes >= this.#options.lowWaterBytes
  }

  /** From 0, with four times the low-water mark free or more, to 1 at the mark. */
  get pressure(): number {
    const { lowWaterBytes } = this.#options
    return Math.min(1, Math.max(0, (4 * lowWaterBytes - this.#freeBytes) / (3 * lowWaterBytes)))
  }

  /**
   * A write was refused for want of room: nothing more is fetched until a look finds room. False when that has happened again and again though
   * there was room.
   */
  noteFull(): boolean {
    if (this.ok) this.#unexplained += 1
    if (this.#unexplained > this.#options.maxUnexplained) return false
    this.#freeBytes = Math.min(this.#freeBytes, this.#options.lowWaterBytes - 1)
    this.#schedule()
    return true
  }

  async start(): Promise<void> {
    await this.#look()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
  }

  async #look(): Promise<void> {
    const { disk, logger, metrics } = this.#components
    const wasOk = this.ok
    try {
      const { freeBytes, totalBytes } = await disk.room()
      this.#freeBytes = freeBytes
      metrics.diskFree.set(freeBytes)
      metrics.diskTotal.set(totalBytes)
      await this.#keepReserve()
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'cannot see how full the disk is')
    }
    const free = formatSize(this.#freeBytes)
    if (wasOk && !this.ok) logger.warn({ free }, 'the disk is nearly full: nothing more is fetched until there is room')
    if (!wasOk && this.ok) logger.info({ free }, 'there is room on the disk again')
    this.#schedule()
  }

  async #keepReserve(): Promise<void> {
    const { disk } = this.#components
    const { criticalBytes, lowWaterBytes, reserveBytes } = this.#options
    if (this.#freeBytes < criticalBytes) {
      await disk.giveUpReserve()
      const free = formatSize(this.#freeBytes)
      this.#fail(
        new StoreError(
          'disk-full',
          `the disk of the data directory has ${free} left, ${formatSize(criticalBytes)} needed: make room, then start again`
        )
      )
    } else if (this.#freeBytes >= lowWaterBytes + reserveBytes) await disk.reserve(reserveBytes)
  }

  #schedule(): void {
    this.#timer?.cancel()
    if (this.#stopped) return
    const { everyMs, everyWhenShortMs } = this.#options
    const ms = this.pressure > 0 ? everyWhenShortMs : everyMs
    this.#timer = this.#components.clock.setTimer(ms, () => void this.#look(), { background: true })
  }
}

/** The real disk below a data directory. */
export function diskRoomOf(dataDir: string): DiskRoom {
  const path = join(dataDir, RESERVE_NAME)
  return {
    async room() {
      const { bavail, blocks, bsize } = await statfs(dataDir)
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
    },
    async reserve(bytes) {
      const file = await open(path, 'a', 0o600)
      try {
        // Written, not only made long: a file of holes reserves nothing.
        const missing = bytes - (await file.stat()).size
        if (missing > 0) await file.write(Buffer.alloc(missing))
      } finally {
        await file.close()
      }
    },
    giveUpReserve: () => rm(path, { force: true })
  }
}

/** The reserve in the data directory. */
export const RESERVE_NAME = 'reserve'
