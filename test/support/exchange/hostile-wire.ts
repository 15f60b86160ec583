import fc from 'fast-check'
import { concatBytes } from '#src/util/index.ts'

/**
 * Bitswap messages as a hostile peer may write them: every field present or not, of the right wire type or another, with a
 * value in its range, at the edge of it or beyond, and lengths that are true or lie.
 */

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

/** A varint of up to ten bytes, as `bigint`; what is longer is made of raw bytes. */
export function varint(value: bigint): Uint8Array {
  const out: number[] = []
  let rest = BigInt.asUintN(64, value)
  do {
    const low = Number(rest & 127n)
    rest >>= 7n
    out.push(rest === 0n ? low : low | 128)
  } while (rest > 0n)
  return Uint8Array.from(out)
}

const tag = (field: number, wire: number): Uint8Array => varint(BigInt(field * 8 + wire))
const bytesField = (field: number, body: Uint8Array): Uint8Array =>
  concatBytes([tag(field, BYTES), varint(BigInt(body.length)), body])

/** Integers as they come on a wire: small, around each power that matters, negative, and varints that never end. */
const number = fc.oneof(
  fc.bigInt({ min: -2n, max: 300n }).map(varint),
  fc
    .constantFrom(0n, 127n, 128n, 1n << 14n, 1n << 21n, 1n << 22n, 1n << 31n, 1n << 32n, 1n << 53n, 1n << 63n)
    .chain((power) => fc.constantFrom(power - 1n, power, power + 1n))
    .map(varint),
  fc.integer({ min: 9, max: 12 }).map((length) => new Uint8Array(length).fill(0x80)),
  // Longer than it need be.
  fc.constant(Uint8Array.of(0x81, 0x80, 0x80, 0x00))
)

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 })
const join = (...parts: (readonly number[] | Uint8Array)[]): Uint8Array =>
  concatBytes(parts.map((part) => Uint8Array.from(part)))

/** CIDs: of the two forms, of other codecs and hashes, too short, too long, empty, and no CID at all. */
const cid = fc.oneof(
  { weight: 3, arbitrary: digest.map((value) => join([0x12, 0x20], value)) },
  { weight: 3, arbitrary: digest.map((value) => join([0x01, 0x55, 0x12, 0x20], value)) },
  digest.map((value) => join([0x01, 0x71, 0x12, 0x20], value)),
  digest.map((value) => join([0x01, 0x55, 0x13, 0x20], value)),
  digest.map((value) => join([0x12, 0x20], value.subarray(1))),
  fc.constantFrom(0, 1, 167, 168, 169, 255, 256, 257, 4000).map((length) => new Uint8Array(length).fill(1)),
  fc.uint8Array({ maxLength: 60 })
)

/** The field with its own wire type, with another one, more than once, or not at all. */
function field(at: number, own: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const foreign = fc.oneof(
    number.map((value) => concatBytes([tag(at, VARINT), value])),
    fc.uint8Array({ minLength: 8, maxLength: 8 }).map((value) => concatBytes([tag(at, FIXED64), value])),
    fc.uint8Array({ minLength: 4, maxLength: 4 }).map((value) => concatBytes([tag(at, FIXED32), value])),
    fc.uint8Array({ maxLength: 40 }).map((value) => bytesField(at, value)),
    // Groups and the two wire types that do not exist.
    fc.constantFrom(3, 4, 6, 7).map((wire) => tag(at, wire)),
    // A length that lies.
    number.map((value) => concatBytes([tag(at, BYTES), value, new Uint8Array(5)]))
  )
  return fc.oneof(
    { weight: 8, arbitrary: own },
    { weight: 2, arbitrary: fc.constant(new Uint8Array(0)) },
    { weight: 1, arbitrary: foreign },
    { weight: 1, arbitrary: fc.tuple(own, own).map(concatBytes) }
  )
}

const numberField = (at: number): fc.Arbitrary<Uint8Array> =>
  field(
    at,
    number.map((value) => concatBytes([tag(at, VARINT), value]))
  )
const bytesFieldOf = (at: number, body: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  field(
    at,
    body.map((value) => bytesField(at, value))
  )

/** Fields in any order. */
const message = (...fields: fc.Arbitrary<Uint8Array>[]): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(...fields)
    .chain((parts) => fc.shuffledSubarray(parts, { minLength: parts.length }))
    .map(concatBytes)
const many = (body: fc.Arbitrary<Uint8Array>, at: number, most: number): fc.Arbitrary<Uint8Array> =>
  fc.array(bytesFieldOf(at, body), { maxLength: most }).map(concatBytes)

/** block, priority, cancel, wantType, sendDontHave, ackQueued, and one that nobody knows. */
export const wantlistEntry = message(
  bytesFieldOf(1, cid),
  numberField(2),
  numberField(3),
  numberField(4),
  numberField(5),
  numberField(15),
  numberField(99)
)
export const wantlist = message(many(wantlistEntry, 1, 5), numberField(2))
const prefix = fc.oneof(
  fc
    .constantFrom([0, 0x70, 0x12, 0x20], [1, 0x55, 0x12, 0x20], [1, 0x71, 0x12, 0x20], [0, 0x70, 0x12, 0x40], [])
    .map((bytes) => Uint8Array.from(bytes)),
  fc.uint8Array({ maxLength: 300 })
)
const body = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.nat(5000).map((length) => new Uint8Array(length))
)
export const payloadBlock = message(bytesFieldOf(1, prefix), bytesFieldOf(2, body))
export const blockPresence = message(bytesFieldOf(1, cid), numberField(2))
export const hostileMessage = message(
  bytesFieldOf(1, wantlist),
  many(body, 2, 3),
  many(payloadBlock, 3, 3),
  many(blockPresence, 4, 4),
  numberField(5),
  numberField(7)
)

/** A message behind its length: the true one, mostly. */
export const hostileFrame = fc.oneof(
  { weight: 9, arbitrary: hostileMessage.map((bytes) => concatBytes([varint(BigInt(bytes.length)), bytes])) },
  { weight: 2, arbitrary: fc.tuple(number, hostileMessage).map(concatBytes) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }) }
)
