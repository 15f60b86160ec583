/** Reads forward over bytes that lie in several slices, without joining them. */
export class SliceCursor {
  /** Bytes read so far. */
  position = 0
  readonly #slices: readonly Uint8Array[]
  #index = 0
  #offset = 0

  constructor(slices: readonly Uint8Array[]) {
    this.#slices = slices
  }

  /** True when nothing is left. */
  get ended(): boolean {
    this.#settle()
    return this.#index >= this.#slices.length
  }

  /** The next byte, or `undefined` at the end. */
  byte(): number | undefined {
    this.#settle()
    const byte = this.#slices[this.#index]?.[this.#offset]
    if (byte === undefined) return undefined
    this.#offset += 1
    this.position += 1
    return byte
  }

  /** The next four bytes as a little-endian unsigned number, or `undefined` when there are fewer. */
  word(): number | undefined {
    const a = this.byte()
    const b = this.byte()
    const c = this.byte()
    const d = this.byte()
    return d === undefined
      ? undefined
      : ((a as number) | ((b as number) << 8) | ((c as number) << 16) | (d << 24)) >>> 0
  }

  /** Views of the next `length` bytes, or `undefined` when there are fewer. */
  take(length: number): Uint8Array[] | undefined {
    const parts: Uint8Array[] = []
    let left = length
    while (left > 0) {
      this.#settle()
      const slice = this.#slices[this.#index]
      if (slice === undefined) return undefined
      const size = Math.min(left, slice.length - this.#offset)
      parts.push(slice.subarray(this.#offset, this.#offset + size))
      this.#offset += size
      this.position += size
      left -= size
    }
    return parts
  }

  #settle(): void {
    let slice = this.#slices[this.#index]
    while (slice !== undefined && this.#offset >= slice.length) {
      this.#index += 1
      this.#offset = 0
      slice = this.#slices[this.#index]
    }
  }
}
