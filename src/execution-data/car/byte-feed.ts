import { concatBytes } from '../../util/index.ts'
import { ExecutionDataError } from '../errors.ts'

/** Takes bytes in exact lengths from a source of pieces, holding no more than the piece and what is being taken. */
export class ByteFeed {
  readonly #source: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  #piece: Uint8Array = new Uint8Array(0)
  #at = 0

  constructor(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.#source = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  /** A varint up to 2^53 − 1, `undefined` at the end of the source. `what` stands for the error. */
  async varint(what: string): Promise<number | undefined> {
    let value = 0
    let factor = 1
    for (let i = 0; i < 8; i += 1) {
      if (!(await this.#fill())) {
        if (i === 0) return undefined
        throw truncated(what)
      }
      const byte = this.#piece[this.#at] as number
      this.#at += 1
      value += (byte & 127) * factor
      factor *= 128
      if (byte < 128 && value <= Number.MAX_SAFE_INTEGER) return value
    }
    throw new ExecutionDataError('car-malformed', `the length of ${what} is no varint`)
  }

  /** The next `length` bytes in a fresh buffer, or a view of the piece they lie in. Allocates as bytes arrive, never on the word of `length`. */
  async take(length: number, what: string): Promise<Uint8Array> {
    if (this.#piece.length - this.#at >= length) {
      this.#at += length
      return this.#piece.subarray(this.#at - length, this.#at)
    }
    const parts: Uint8Array[] = []
    let left = length
    while (left > 0) {
      if (!(await this.#fill())) throw truncated(what)
      const part = this.#piece.subarray(this.#at, this.#at + left)
      parts.push(part)
      this.#at += part.length
      left -= part.length
    }
    return concatBytes(parts, length)
  }

  /** Lets the source go before its end. */
  async close(): Promise<void> {
    await this.#source.return?.()
  }

  async #fill(): Promise<boolean> {
    while (this.#at >= this.#piece.length) {
      const next = await this.#source.next()
      if (next.done === true) return false
      this.#piece = next.value
      this.#at = 0
    }
    return true
  }
}

function truncated(what: string): ExecutionDataError {
  return new ExecutionDataError('car-truncated', `the file ends within ${what}`)
}
