import { createHash, type Hash, hash } from 'node:crypto'
import { digestKey } from '../../model/index.ts'
import { concatBytes } from '../../util/index.ts'
import type { ReceivedBlock } from './types.ts'

/**
 * The bytes of one block while they arrive: hashed at once, kept as references to the chunks they came in. They are put
 * together once, at the end, and only if somebody wants them.
 */
export class BlockBody {
  readonly length: number
  #chunks: Uint8Array[] = []
  #have = 0
  #hash: Hash | undefined

  constructor(length: number) {
    this.length = length
  }

  add(chunk: Uint8Array): void {
    this.#have += chunk.length
    this.#chunks.push(chunk)
    if (this.#chunks.length === 1 && this.#have === this.length) return
    if (this.#hash === undefined) {
      this.#hash = createHash('sha256')
    }
    this.#hash.update(chunk)
  }

  finish(): ReceivedBlock {
    const digest = this.#hash === undefined ? hash('sha256', this.#chunks[0] ?? EMPTY, 'buffer') : this.#hash.digest()
    const chunks = this.#chunks
    const length = this.length
    this.#chunks = []
    return { key: digestKey(digest), digest, length, assemble: () => concatBytes(chunks, length) }
  }
}

const EMPTY = new Uint8Array(0)
