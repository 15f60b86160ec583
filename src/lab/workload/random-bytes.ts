import { createCipheriv, hash } from 'node:crypto'

/** Incompressible bytes that depend on nothing but the seed: AES-128 in counter mode, gigabytes a second. */
export class RandomBytes {
  readonly #cipher: ReturnType<typeof createCipheriv>

  constructor(seed: string) {
    const key = hash('sha256', seed, 'buffer')
    this.#cipher = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16))
  }

  /** The next `length` bytes in a fresh buffer. */
  take(length: number): Uint8Array {
    const bytes = this.#cipher.update(new Uint8Array(length))
    return new Uint8Array(bytes.buffer, bytes.byteOffset, length)
  }

  /** The next four bytes as a number of 0 to `below` − 1. */
  integer(below: number): number {
    const bytes = this.take(4)
    return (((bytes[0] as number) * 256 + (bytes[1] as number)) * 256 + (bytes[2] as number)) % below
  }
}
