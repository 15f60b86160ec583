/**
 * Lets a bounded number of fetches run, and none begin while the store is behind by `maxUndurableBytes`: a slow disk holds
 * back the network. First come, first served.
 */
export class FetchGate {
  readonly #parallel: number
  readonly #maxUndurableBytes: number
  readonly #waiting: (() => void)[] = []
  #running = 0
  #undurableBytes = 0
  #isOpen = false

  constructor(options: { readonly parallelFetches: number; readonly maxUndurableBytes: number }) {
    this.#parallel = options.parallelFetches
    this.#maxUndurableBytes = options.maxUndurableBytes
  }

  /** True while the store keeps up. */
  get storeKeepsUp(): boolean {
    return this.#undurableBytes < this.#maxUndurableBytes
  }

  /** Nothing when the fetch may begin now, else what resolves when it may; every `enter` is matched by one `leave`. */
  enter(): Promise<void> | undefined {
    if (this.#isOpen || (this.#running < this.#parallel && this.storeKeepsUp)) {
      this.#running += 1
      return undefined
    }
    // whoever wakes it has counted it already
    return new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  leave(): void {
    this.#running -= 1
    this.#wake()
  }

  /** Bytes were handed to the store … */
  storing(bytes: number): void {
    this.#undurableBytes += bytes
  }

  /** … and are durable, or the store failed. */
  stored(bytes: number): void {
    this.#undurableBytes -= bytes
    this.#wake()
  }

  /** Lets everyone in from now on, because what they wait for has been given up. */
  open(): void {
    this.#isOpen = true
    for (const resolve of this.#waiting.splice(0)) {
      this.#running += 1
      resolve()
    }
  }

  #wake(): void {
    while (this.#waiting.length > 0 && this.#running < this.#parallel && this.storeKeepsUp) {
      this.#running += 1
      this.#waiting.shift()?.()
    }
  }
}
