import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Uint8ArrayList } from 'uint8arraylist'
import { PacketReader } from '#src/p2p/security/noise-packets.ts'
import { concatBytes } from '#src/util/index.ts'

const framed = (packets: readonly Uint8Array[]): Uint8Array =>
  concatBytes(packets.flatMap((packet) => [Uint8Array.of(packet.length >> 8, packet.length), packet]))

const packet = fc.uint8Array({ minLength: 16, maxLength: 300 })

describe("noise's packets", () => {
  test('are the same however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 8 }), fc.array(fc.nat({ max: 400 })), (packets, cuts) => {
        const opened: Uint8Array[] = []
        const reader = new PacketReader((one) => {
          opened.push(one.slice())
          return one
        })
        const bytes = framed(packets)
        const given: Uint8Array[] = []
        let at = 0
        for (const cut of [...cuts, bytes.length]) {
          given.push(reader.push(new Uint8ArrayList(bytes.subarray(at, at + cut))).subarray())
          at += cut
        }
        assert.deepEqual(opened, packets)
        assert.deepEqual(concatBytes(given), concatBytes(packets))
      })
    )
  })

  test('of the largest size that arrive byte by byte are kept in a few pieces', () => {
    const pieces: number[] = []
    const reader = new PacketReader((one) => {
      pieces.push([...one].length)
      return one
    })
    const largest = Uint8Array.from({ length: 65_535 }, (_, at) => at & 255)
    const given: Uint8Array[] = []
    for (const byte of framed([largest])) given.push(reader.push(Uint8Array.of(byte)).subarray())
    assert.deepEqual(concatBytes(given), largest)
    assert.ok(pieces.every((count) => count <= 33))
  })

  for (const length of [0, 1, 15]) {
    test(`of ${length} bytes, which have no room for a tag, are refused before their body comes`, () => {
      const reader = new PacketReader(() => assert.fail('opened'))
      assert.throws(() => reader.push(Uint8Array.of(0, length)), /no tag/)
    })
  }

  test('that are not genuine give nothing', () => {
    const reader = new PacketReader(() => {
      throw new Error('not genuine')
    })
    assert.throws(() => reader.push(framed([new Uint8Array(20)])), /not genuine/)
  })
})
