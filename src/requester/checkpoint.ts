import type { Height } from '../model/index.ts'
import type { ProgressStore } from './ports.ts'

/** Names under which the requester's heights stand in the progress store. */
export const PROGRESS = {
  start: 'requester-start',
  consecutive: 'requester-consecutive',
  notified: 'requester-notified'
} as const

export interface CheckpointEvents {
  readonly onSaved: () => void
  readonly onError: (error: unknown) => void
}

/**
 * One height on its way to the disk. While a synced write is under way later heights gather, and the next write takes them all:
 * fast progress costs one write at a time, slow progress one write a height.
 */
export class Checkpoint {
  readonly #store: ProgressStore
  readonly #name: string
  readonly #events: CheckpointEvents
  #saved: Height
  #wanted: Height
  #writing: Promise<void> | undefined

  constructor(store: ProgressStore, name: string, options: { readonly saved: Height } & CheckpointEvents) {
    this.#store = store
    this.#name = name
    this.#events = options
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

  /** Resolves when what was wanted is on the disk, or when writing failed (then `onError` was called). */
  async flush(): Promise<void> {
    await this.#writing
  }

  async #write(): Promise<void> {
    try {
      while (this.#saved < this.#wanted) {
        const height = this.#wanted
        await this.#store.set(this.#name, height)
        this.#saved = height
        this.#events.onSaved()
      }
    } catch (error) {
      this.#events.onError(error)
    } finally {
      this.#writing = undefined
    }
  }
}
