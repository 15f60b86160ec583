import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Stream, StreamMuxer } from '@libp2p/interface'
import { lazyHeader, negotiateLazily } from '#src/p2p/lazy-streams.ts'

function muxer() {
  const sent: Uint8Array[] = []
  const stream = { protocol: '', send: (bytes: Uint8Array) => sent.push(bytes) } as unknown as Stream
  const made = { createStream: async () => stream } as unknown as StreamMuxer
  negotiateLazily(made)
  return { sent, stream, made }
}

describe('streams that do not wait for their protocol', () => {
  it('begin with the two lines that multistream-select begins with', () => {
    assert.equal(Buffer.from(lazyHeader('/a/1')).toString('latin1'), '\x13/multistream/1.0.0\n\x05/a/1\n')
    assert.throws(() => lazyHeader('x'.repeat(127)), RangeError)
  })

  it('are those alone that ask for it', async () => {
    const { sent, stream, made } = muxer()
    await made.createStream({ protocol: '/a/1' })
    await made.createStream({ protocol: '/a/1', negotiateFully: true } as object)
    assert.deepEqual([sent.length, stream.protocol], [0, ''])
    await made.createStream({ protocol: '/a/1', negotiateFully: false } as object)
    assert.deepEqual([sent.length, stream.protocol], [1, '/a/1'])
  })
})
