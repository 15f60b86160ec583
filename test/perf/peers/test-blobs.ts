/** Largest test blob, bytes. */
const MAX_BYTES = 2 * 1024 * 1024

let template: Uint8Array | undefined

/**
 * The bytes of a test blob: the same for the same seed in every implementation (`test/interop/boxo-peer/store.go`), different
 * for different seeds, and cheap: a common pseudo-random body (xorshift32) with the seed in its first eight bytes.
 */
export function testBytes(seed: number, size: number): Uint8Array {
  if (size < 8 || size > MAX_BYTES) throw new RangeError(`blobs of ${size} bytes are not made`)
  template ??= makeTemplate()
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)
  bytes.set(template.subarray(0, size))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, seed, true)
  view.setUint32(4, 0)
  return bytes
}

function makeTemplate(): Uint8Array {
  const view = new DataView(new ArrayBuffer(MAX_BYTES))
  let x = 0x9e3779b9
  for (let at = 0; at < MAX_BYTES; at += 4) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    view.setUint32(at, x, true)
  }
  return new Uint8Array(view.buffer)
}
