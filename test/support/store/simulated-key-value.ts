import type { KeyRange, KeyValueOperation, KeyValueSpace } from '#src/store/index.ts'
import type { Rng } from '#src/util/index.ts'
import { Power } from './power.ts'

const textOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1')
const bytesOf = (key: string): Uint8Array => new Uint8Array(Buffer.from(key, 'latin1'))

/**
 * A key-value space that may lose every batch that was not synced, also one that came before a synced one: a Level sync
 * covers its current log file alone. Batches are atomic.
 */
export class SimulatedKeyValue implements KeyValueSpace {
  power = new Power()
  /** Gives the error with which a batch is to fail, if it is. */
  faults: () => Error | undefined = () => undefined
  /** Says it has synced and has not. */
  ignoresSync = false
  reads = 0
  #log: { readonly operations: readonly KeyValueOperation[]; readonly sync: boolean }[] = []
  #seen = new Map<string, Uint8Array>()

  get size(): number {
    return this.#seen.size
  }

  /** The space as one process sees it: when that process is dead, so is this. */
  attach(): KeyValueSpace {
    const power = this.power
    return {
      get: (key) => this.get(key, power),
      getMany: (keys) => Promise.all(keys.map((key) => this.get(key, power))),
      batch: (operations, options) => this.batch(operations, options, power),
      entries: (range) => this.entries(range, power)
    }
  }

  async get(key: Uint8Array, power: Power = this.power): Promise<Uint8Array | undefined> {
    this.reads += 1
    power.check()
    await Promise.resolve()
    return this.#seen.get(textOf(key))
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key)))
  }

  async batch(
    operations: readonly KeyValueOperation[],
    options: { readonly sync: boolean },
    power: Power = this.power
  ): Promise<void> {
    power.use()
    await Promise.resolve()
    power.check()
    const fault = this.faults()
    if (fault !== undefined) throw fault
    this.#log.push({ operations, sync: options.sync && !this.ignoresSync })
    apply(this.#seen, operations)
    power.check()
  }

  async *entries(range: KeyRange, power: Power = this.power): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
    power.check()
    const gte = range.gte === undefined ? undefined : textOf(range.gte)
    const lt = range.lt === undefined ? undefined : textOf(range.lt)
    const keys = [...this.#seen.keys()].filter(
      (key) => (gte === undefined || key >= gte) && (lt === undefined || key < lt)
    )
    keys.sort()
    if (range.reverse === true) keys.reverse()
    const snapshot = new Map(this.#seen)
    for (const key of keys.slice(0, range.limit ?? keys.length)) {
      await Promise.resolve()
      const value = snapshot.get(key)
      if (value !== undefined) yield [bytesOf(key), value]
    }
  }

  restart(rng: Rng): void {
    this.#log = this.#log.filter(({ sync }) => sync || rng.next() < 0.5).map((entry) => ({ ...entry, sync: true }))
    this.#seen = new Map()
    for (const { operations } of this.#log) apply(this.#seen, operations)
    this.power = new Power()
  }

  killProcess(): void {
    this.power.cut()
    this.power = new Power()
  }

  wipe(): void {
    this.#log = []
    this.#seen = new Map()
  }
}

function apply(map: Map<string, Uint8Array>, operations: readonly KeyValueOperation[]): void {
  for (const operation of operations) {
    if (operation.type === 'put') map.set(textOf(operation.key), new Uint8Array(operation.value))
    else map.delete(textOf(operation.key))
  }
}
