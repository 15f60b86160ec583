import { Buffer } from 'node:buffer'

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** Gives `undefined` unless the text is hex digits of an even number (and of `length` bytes, when given). */
export function fromHex(text: string, length?: number): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined
  if (length !== undefined && text.length !== length * 2) return undefined
  return new Uint8Array(Buffer.from(text, 'hex'))
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

/** One fresh buffer with all parts; `total` saves counting when the caller knows it. */
export function concatBytes(parts: readonly Uint8Array[], total?: number): Uint8Array {
  const length = total ?? parts.reduce((sum, part) => sum + part.length, 0)
  const out = Buffer.allocUnsafeSlow(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return new Uint8Array(out.buffer, out.byteOffset, length)
}
