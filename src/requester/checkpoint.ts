import type { Height } from '../model/index.ts'
import { type Clock, sleep } from '../util/index.ts'
import type { ProgressStore } from './ports.ts'

/** Names under which the requester's heights stand in the progress store. */
export const PROGRESS = {
  start: 'requester-start',
  consecutive: 'requester-consecutive',
  notified: 'requester-notified'
} as const

export interface CheckpointComponents {
  readonly progress: ProgressStore
  readonly clock: Clock
}

export interface CheckpointEvents {
  readonly onSaved: () => void
  readonly onError: (error: unknown) => void
}

/** Heights that came while one was written: a node that follows its chain never has so many. */
const MANY = 4
/** So much longer heights gather then, ms: a synced write costs the same however many heights it stands for. */
const GATHER_MS = 20

/**
 * One height on its way to the disk. While a synced write is under way later heights gather, and the next write takes them all:
 * fast progress costs one write in `GATHER_MS`, slow progress one write a height, and no more than one in `everyMs`.
 */
export class Checkpoint {
  readonly #components: CheckpointComponents
  readonly #name: string
  readonly #events: CheckpointEvents
  readonly #everyMs: number
  readonly #hurry = new AbortController()
  #saved: Height
  #wanted: Height
  #writing: Promise<void> | undefined

  constructor(
    components: CheckpointComponents,
    name: string,
    options: { readonly saved: Height; readonly everyMs: number } & CheckpointEvents
  ) {
    this.#components = components
    this.#name = name
    this.#events = options
    this.#everyMs = options.everyMs
    this.#saved = options.saved
    this.#wanted = options.saved
  }

  /** What is on the disk. */
  get saved(): Height {
    return this.#saved
  }

  /** Ignored unless it is higher than before: the height only grows. */
  advance(height: Height): void {
    if (height <= this.#wanted) return
    this.#wanted = height
    this.#writing ??= this.#write()
  }

  /** Resolves when what was wanted is on the disk, or when writing failed (then `onError` was called). No write waits from then on. */
  async flush(): Promise<void> {
    this.#hurry.abort()
    await this.#writing
  }

  async #write(): Promise<void> {
    try {
      while (this.#saved < this.#wanted) {
        const height = this.#wanted
        await this.#components.progress.set(this.#name, height)
        this.#saved = height
        this.#events.onSaved()
        const late = this.#wanted - height >= MANY ? GATHER_MS : 0
        await this.#pause(Math.max(this.#everyMs, late))
      }
    } catch (error) {
      this.#events.onError(error)
    } finally {
      this.#writing = undefined
    }
  }

  async #pause(ms: number): Promise<void> {
    if (ms > 0) await sleep(this.#components.clock, ms, this.#hurry.signal).catch(() => undefined)
  }
}
