import type { Height } from '../model/index.ts'
import type { KeyValueSpace } from '../store/key-value.ts'
import { heightBytes, readHeight } from './records.ts'

/** Heights that a service has reached, by name; what survives a crash. */
export interface ProgressStore {
  get(name: string): Promise<Height | undefined>
  /** Resolves when durable. Calls for one name take effect in their order. */
  set(name: string, height: Height): Promise<void>
}

const NAME = /^[a-z][a-z0-9-]{0,63}$/

/** Progress in a key-value space of its own. What is set while a write is under way goes to the disk together with the next: one sync. */
export class LevelProgressStore implements ProgressStore {
  readonly #space: KeyValueSpace
  #last: Promise<unknown> = Promise.resolve()
  #next: { readonly heights: Map<string, Height>; readonly written: Promise<void> } | undefined

  constructor({ space }: { readonly space: KeyValueSpace }) {
    this.#space = space
  }

  /** Rejects with TrackerError `corrupt`, and with what the space throws. */
  async get(name: string): Promise<Height | undefined> {
    const value = await this.#space.get(keyOf(name))
    return value === undefined ? undefined : readHeight(value)
  }

  set(name: string, height: Height): Promise<void> {
    checkName(name)
    this.#next ??= this.#write()
    this.#next.heights.set(name, height)
    return this.#next.written
  }

  #write(): { readonly heights: Map<string, Height>; readonly written: Promise<void> } {
    const heights = new Map<string, Height>()
    const written = this.#last.then(() => {
      this.#next = undefined
      const operations = [...heights].map(
        ([name, height]) => ({ type: 'put', key: keyOf(name), value: heightBytes(height) }) as const
      )
      return this.#space.batch(operations, { sync: true })
    })
    this.#last = written.catch(() => undefined)
    return { heights, written }
  }
}

function checkName(name: string): void {
  if (!NAME.test(name)) throw new RangeError(`not a name for progress: ${name}`)
}

function keyOf(name: string): Uint8Array {
  checkName(name)
  return Buffer.from(name, 'latin1')
}
