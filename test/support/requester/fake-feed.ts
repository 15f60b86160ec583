import type { SealedBlockFeed } from '#src/feed/feed.ts'
import type { Height, SealedBlock } from '#src/model/index.ts'

/** A feed that a test fills by hand. */
export class FakeFeed
  implements Pick<SealedBlockFeed, 'blocks' | 'settled' | 'release' | 'highest' | 'lowestOffered' | 'awaitHighest'>
{
  highest: Height | undefined
  lowestOffered: Height | undefined
  released: Height = -1
  /** What `settled` was asked for and has not answered. */
  readonly asked = new Map<Height, number>()
  readonly #given = new Map<Height, SealedBlock>()
  readonly #settled = new Map<Height, SealedBlock>()
  #changed: Promise<void>
  #notify: () => void = () => undefined

  constructor() {
    this.#changed = this.#next()
  }

  /** The first announcement of a height; also the quorum's word unless `settled: false`. */
  give(block: SealedBlock, options: { readonly settled?: boolean } = {}): void {
    this.#given.set(block.height, block)
    this.highest = Math.max(this.highest ?? 0, block.height)
    if (options.settled !== false) this.#settled.set(block.height, block)
    this.change()
  }

  settle(block: SealedBlock): void {
    this.#settled.set(block.height, block)
    this.change()
  }

  forget(height: Height): void {
    this.#given.delete(height)
    this.#settled.delete(height)
  }

  change(): void {
    const notify = this.#notify
    this.#changed = this.#next()
    notify()
  }

  async *blocks(from: Height, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<SealedBlock> {
    for (let height = from; ; height += 1) {
      let block = this.#given.get(height)
      while (block === undefined) {
        await this.#wait(signal)
        block = this.#given.get(height)
      }
      yield block
    }
  }

  async settled(height: Height, { signal }: { readonly signal: AbortSignal }): Promise<SealedBlock> {
    this.asked.set(height, (this.asked.get(height) ?? 0) + 1)
    for (;;) {
      const block = this.#settled.get(height)
      if (block !== undefined) return block
      await this.#wait(signal)
    }
  }

  release(upTo: Height): void {
    this.released = upTo
  }

  async awaitHighest({ signal }: { readonly signal: AbortSignal }): Promise<Height> {
    while (this.highest === undefined) await this.#wait(signal)
    return this.highest
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#notify = resolve
    })
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason)
      if (signal.aborted) return reject(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      void this.#changed.then(() => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
    })
  }
}
