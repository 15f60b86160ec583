import { Buffer } from 'node:buffer'
import type { KeyRange, KeyValueOperation, KeyValueSpace } from '#src/store/key-value.ts'

/** A key-value space in memory that tells how it was written to. */
export class MemorySpace implements KeyValueSpace {
  readonly #entries = new Map<string, Uint8Array>()
  readonly batches: { readonly operations: readonly KeyValueOperation[]; readonly sync: boolean }[] = []

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#entries.get(Buffer.from(key).toString('hex'))
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key)))
  }

  async batch(operations: readonly KeyValueOperation[], options: { readonly sync: boolean }): Promise<void> {
    this.batches.push({ operations, sync: options.sync })
    for (const operation of operations) {
      const key = Buffer.from(operation.key).toString('hex')
      if (operation.type === 'put') this.#entries.set(key, operation.value)
      else this.#entries.delete(key)
    }
  }

  async *entries(range: KeyRange): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
    const hex = (key: Uint8Array | undefined): string | undefined =>
      key === undefined ? undefined : Buffer.from(key).toString('hex')
    const [gte, lt] = [hex(range.gte), hex(range.lt)]
    const keys = [...this.#entries.keys()]
      .filter((key) => (gte === undefined || key >= gte) && (lt === undefined || key < lt))
      .sort()
    if (range.reverse === true) keys.reverse()
    for (const key of keys.slice(0, range.limit)) {
      const value = this.#entries.get(key)
      if (value !== undefined) yield [new Uint8Array(Buffer.from(key, 'hex')), value]
    }
  }
}
