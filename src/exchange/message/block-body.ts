import { Buffer } from 'node:buffer'
import { createHash, type Hash, hash } from 'node:crypto'
import { digestKey } from '../../model/index.ts'
import type { ReceivedBlock } from './types.ts'

/**
 * The bytes of one block while they arrive: hashed at once and copied to their place in one buffer, so that the chunks they
 * came in are garbage while they are still young. Kept until the block is complete, chunks outlive V8's young generation
 * and cost a full collection for every few megabytes.
 *
 * A block that lies within one chunk is not copied before somebody wants it; and of one that is longer nothing is allocated
 * before its second chunk, which comes only when there is room for all of it.
 */
export class BlockBody {
  readonly length: number
  #first: Uint8Array | undefined
  #bytes: Uint8Array | undefined
  #have = 0
  #hash: Hash | undefined

  constructor(length: number) {
    this.length = length
  }

  add(chunk: Uint8Array): void {
    if (this.#have === 0) this.#first = chunk
    else {
      this.#bytes ??= this.#begin()
      this.#bytes.set(chunk, this.#have)
      this.#hash?.update(chunk)
    }
    this.#have += chunk.length
  }

  finish(): ReceivedBlock {
    const { length } = this
    const first = this.#first ?? EMPTY
    const bytes = this.#bytes
    const digest = this.#hash === undefined ? hash('sha256', first, 'buffer') : this.#hash.digest()
    return { key: digestKey(digest), digest, length, assemble: () => bytes ?? copyOf(first) }
  }

  #begin(): Uint8Array {
    const first = this.#first ?? EMPTY
    const bytes = newBytes(this.length)
    bytes.set(first)
    this.#hash = createHash('sha256').update(first)
    this.#first = undefined
    return bytes
  }
}

/** Memory of its own, not cleared: what is read from it has been written before. */
function newBytes(length: number): Uint8Array {
  const { buffer } = Buffer.allocUnsafeSlow(length)
  return new Uint8Array(buffer)
}

function copyOf(chunk: Uint8Array): Uint8Array {
  const bytes = newBytes(chunk.length)
  bytes.set(chunk)
  return bytes
}

const EMPTY = new Uint8Array(0)
