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

/** Progress in a key-value space of its own. */
export class LevelProgressStore implements ProgressStore {
  readonly #space: KeyValueSpace
  #last: Promise<unknown> = Promise.resolve()

  constructor({ space }: { readonly space: KeyValueSpace }) {
    this.#space = space
  }

  /** Rejects with TrackerError `corrupt`, and with what the space throws. */
  async get(name: string): Promise<Height | undefined> {
    const value = await this.#space.get(keyOf(name))
    return value === undefined ? undefined : readHeight(value)
  }

  set(name: string, height: Height): Promise<void> {
    const operation = { type: 'put', key: keyOf(name), value: heightBytes(height) } as const
    const write = this.#last.then(() => this.#space.batch([operation], { sync: true }))
    this.#last = write.catch(() => undefined)
    return write
  }
}

function keyOf(name: string): Uint8Array {
  if (!NAME.test(name)) throw new RangeError(`not a name for progress: ${name}`)
  return Buffer.from(name, 'latin1')
}
