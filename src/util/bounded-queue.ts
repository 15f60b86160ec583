/**
 * A first-in first-out queue with a fixed bound. `push` refuses at the bound, so that the caller decides (and counts)
 * what happens there. Amortised O(1) at both ends.
 */
export class BoundedQueue<T> {
  readonly capacity: number
  #items: (T | undefined)[] = []
  #head = 0

  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) throw new RangeError('capacity must be a positive integer')
    this.capacity = capacity
  }

  get size(): number {
    return this.#items.length - this.#head
  }

  /** False when the queue is full; the item is then not in it. */
  push(item: T): boolean {
    if (this.size >= this.capacity) return false
    this.#items.push(item)
    return true
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head] = undefined
    this.#head += 1
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }
}
