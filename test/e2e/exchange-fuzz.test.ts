import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MessageDecoder } from '#src/exchange/message/decoder.ts'
import { defaultExchangeOptions } from '#src/exchange/options.ts'
import { encodeControl, encodeWantBlock } from '#src/exchange/message/encoder.ts'
import { codeOf, concatBytes } from '#src/util/index.ts'
import { bareHost, startNetwork } from '#test/support/exchange/hosts.ts'
import { hostileFrame } from '#test/support/exchange/hostile-wire.ts'
import { seededBlob } from '#test/support/exchange/memory-blobs.ts'

const PROTOCOL = 'execution-data-service/ipfs/bitswap/1.2.0'
const RUNS = 60

/** What the parser makes of the bytes: nothing, or the reason for which their sender is disconnected. */
function verdict(wire: Uint8Array): 'malformed' | 'oversize' | undefined {
  const nothing = (): void => {}
  const decoder = new MessageDecoder(
    { blockStart: () => 'skip', blockBytes: nothing, blockEnd: nothing, blockSkipped: nothing, message: nothing },
    defaultExchangeOptions
  )
  try {
    decoder.push(wire)
    return undefined
  } catch (error) {
    return codeOf(error) === 'malformed' ? 'malformed' : 'oversize'
  }
}

test('any frames on a real stream: the node stands, charges their sender, and holds nothing of theirs', async (t) => {
  const nodes = await startNetwork({ execution: 1, access: 1 })
  const [honest, node] = nodes
  assert.ok(honest && node)
  const attacker = await bareHost()
  await attacker.start()
  const honestFrame = fc.constant(encodeControl([encodeWantBlock(seededBlob(1, 10).cid.toBytes())], []))
  const frames = fc.oneof(
    { weight: 3, arbitrary: fc.array(hostileFrame, { minLength: 1, maxLength: 6 }) },
    { weight: 1, arbitrary: fc.array(honestFrame, { minLength: 1, maxLength: 6 }) }
  )
  const seed = Date.now() % 1_000_000_007
  t.diagnostic(`seed ${seed}`)
  const samples = fc.sample(frames, { numRuns: RUNS, seed })
  try {
    let expected = 0
    const before = process.memoryUsage().arrayBuffers
    for (const [index, sample] of samples.entries()) {
      const wire = concatBytes(sample)
      const reason = verdict(wire)
      const connection = await attacker.dial(node.host.getMultiaddrs())
      const stream = await connection.newStream(PROTOCOL)
      stream.send(wire)
      if (reason === undefined) await stream.close()
      else {
        expected += 1
        await until(() => node.penalties.length === expected)
        assert.equal(node.penalties.at(-1), reason)
        await until(() => attacker.getConnections().length === 0)
      }
      if (index % 15 !== 14) continue
      const blob = seededBlob(index, 10_000)
      honest.make(blob)
      assert.deepEqual((await node.fetch(blob)).bytes, blob.bytes)
    }
    assert.ok(expected > 0 && expected < RUNS, `${expected} of ${RUNS} were refused`)
    for (const connection of attacker.getConnections()) connection.abort(new Error('done'))
    await until(async () => (await levelOf('sealsync_exchange_ledger_wants')) === 0)
    await until(async () => (await levelOf('sealsync_exchange_receive_in_flight_bytes')) === 0)
    assert.deepEqual(
      node.penalties.filter((reason) => reason !== 'malformed' && reason !== 'oversize'),
      []
    )
    const grown = process.memoryUsage().arrayBuffers - before
    assert.ok(grown < 16 * 1_048_576, `${grown} bytes of buffers, none of which a length that lies was to cost`)
  } finally {
    await attacker.stop()
    await Promise.all(nodes.map((one) => one.stop()))
  }

  async function levelOf(name: string): Promise<number> {
    const line = (await node?.register.metrics())?.split('\n').find((text) => text.startsWith(name))
    return Number(line?.split(' ').at(-1) ?? Number.NaN)
  }
})

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}
