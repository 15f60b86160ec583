import { ExecutionDataError } from '#src/execution-data/errors.ts'
import { encodeFrame } from '#src/execution-data/lz4/frame-encode.ts'
import { xxh32 } from '#src/execution-data/lz4/xxh32.ts'
import { defaultExecutionDataOptions, type ExecutionDataOptions } from '#src/execution-data/options.ts'
import { deserialize } from '#src/execution-data/serializer.ts'

/** Small inputs that ask for much: what each may cost is measured by the benchmark `codec` and bounded by tests. */
export interface Bomb {
  readonly name: string
  /** As it lies in a blob. */
  readonly blob: Uint8Array
  /** The error by which it ends; undefined where it is harmless enough to be read. */
  readonly code: string | undefined
  run(): void
}

const MIB = 1_048_576

const named = (name: string): Buffer => Buffer.from([0x60 + name.length, ...Buffer.from(name)])
const framed = (code: number, ...parts: Uint8Array[]): Uint8Array => encodeFrame(Buffer.concat(parts), [code])
const repeat = (byte: number, count: number): Buffer => Buffer.alloc(count, byte)
const head = (...bytes: number[]): Buffer => Buffer.from(bytes)

/** A frame whose header claims a content of 2^60 bytes, with a right header checksum, around an empty item. */
function claimedSize(): Uint8Array {
  const descriptor = Buffer.from('6c700000000000000010', 'hex')
  const checksum = head((xxh32(descriptor) >>> 8) & 255)
  const block = Buffer.from('01000080f60000000000000000', 'hex')
  return Buffer.concat([Buffer.from('0404224d18', 'hex'), descriptor, checksum, block])
}

/** One LZ4 block that repeats its first byte: 255 bytes out for each byte in. */
function runOf(plainBytes: number): Uint8Array {
  return framed(4, new Uint8Array(plainBytes))
}

export function bombs(options: ExecutionDataOptions = defaultExecutionDataOptions): Bomb[] {
  const million = 1_000_000
  const digest = repeat(7, 32)
  const cid = Buffer.concat([head(0x58, 0x22, 0x12, 0x20), digest])
  const inputs: [string, Uint8Array, string | undefined][] = [
    ['nesting of 10^6 arrays', framed(4, head(0xa1), named('x'), repeat(0x81, million), head(0xf6)), 'cbor-malformed'],
    ['nesting of 10^6 tags', framed(4, head(0xa1), named('x'), repeat(0xc1, million), head(0)), 'cbor-malformed'],
    [
      '4 MiB of empty arrays, unknown key',
      framed(4, head(0xa1), named('x'), head(0x9a, 0, 0x40, 0, 0), repeat(0x80, 4 * MIB)),
      undefined
    ],
    [
      '4 MiB of empty maps as events',
      framed(4, head(0xa1), named('Events'), head(0x9a, 0, 0x40, 0, 0), repeat(0xa0, 4 * MIB)),
      'limit-exceeded'
    ],
    [
      'a count of 2^60 events',
      framed(4, head(0xa1), named('Events'), head(0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0)),
      'cbor-malformed'
    ],
    [
      'a byte string of 2^60',
      framed(4, head(0xa1), named('x'), head(0x5b, 0x10, 0, 0, 0, 0, 0, 0, 0)),
      'cbor-malformed'
    ],
    ['a content size of 2^60', claimedSize(), undefined],
    ['64 MiB of zeros at 254 : 1', runOf(64 * MIB), 'limit-exceeded'],
    [
      'a root that lists 10^6 chunks',
      framed(
        2,
        head(0xa2),
        named('BlockID'),
        head(0x58, 0x20),
        digest,
        named('ChunkExecutionDataIDs'),
        head(0x9a, 0, 0x0f, 0x42, 0x40),
        Buffer.alloc(million * cid.length, cid)
      ),
      'limit-exceeded'
    ]
  ]
  return inputs.map(([name, blob, code]) => ({
    name,
    blob,
    code,
    run() {
      try {
        deserialize([blob], { ...options, expected: [2, 4], materialize: true })
      } catch (error) {
        if (!(error instanceof ExecutionDataError)) throw error
      }
    }
  }))
}
