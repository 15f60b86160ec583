import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { type BlobCid, blobOf } from '#src/model/index.ts'
import { dhtProbe } from '#src/p2p/routing/libp2p-metrics.ts'
import { createDhtMetrics } from '#src/p2p/routing/metrics.ts'
import { defaultDhtOptions, type DhtOptions, validateDhtOptions } from '#src/p2p/routing/options.ts'
import { ProvideQueue } from '#src/p2p/routing/provide-queue.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const cids = Array.from({ length: 10 }, (_, at) => blobOf(new Uint8Array([at])).cid)

interface Call {
  readonly cid: BlobCid
  readonly signal: AbortSignal
  readonly done: PromiseWithResolvers<void>
}

function setUp(change: Partial<DhtOptions>) {
  const clock = new VirtualClock()
  const register = new Registry()
  const calls: Call[] = []
  const provide = (cid: BlobCid, { signal }: { signal: AbortSignal }): Promise<void> => {
    const done = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => done.reject(signal.reason))
    calls.push({ cid, signal, done })
    return done.promise
  }
  const metrics = createDhtMetrics(register)
  const queue = new ProvideQueue({ provide, clock, metrics }, { ...defaultDhtOptions, ...change })
  return { clock, register, calls, queue, metrics }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('new blobs on their way to the DHT', () => {
  it('do not go when they were deleted while they waited, and go when they came again', async () => {
    const { queue, calls } = setUp({ provideConcurrency: 1 })
    const [first, second, third] = cids as [BlobCid, BlobCid, BlobCid]
    for (const cid of [first, second, third]) queue.add(cid)
    for (const cid of [first, second, third]) queue.remove(cid)
    queue.add(third)
    for (let at = 0; at < 3; at += 1) {
      calls[at]?.done.resolve()
      await settle()
    }
    assert.deepEqual(
      calls.map(({ cid }) => cid),
      [first, third]
    )
  })

  it('go a few at a time, in order, each once', async () => {
    const { queue, calls } = setUp({ provideConcurrency: 2 })
    for (const cid of [...cids, ...cids]) queue.add(cid)
    assert.deepEqual(
      calls.map(({ cid }) => cid),
      cids.slice(0, 2)
    )
    for (let at = 0; at < cids.length; at += 1) {
      if (at % 3 === 0) calls[at]?.done.reject(new Error('no peer'))
      else calls[at]?.done.resolve()
      await settle()
    }
    assert.deepEqual(
      calls.map(({ cid }) => cid),
      cids
    )
    queue.add(cids[0] as BlobCid)
    assert.equal(calls.length, 11)
    queue.stop()
  })

  it('are dropped and counted beyond the bound', async () => {
    const { queue, register } = setUp({ provideConcurrency: 1, maxProvideQueue: 3 })
    for (const cid of cids) queue.add(cid)
    const dropped = await register.getSingleMetric('sealsync_p2p_dht_dropped_provides_total')?.get()
    assert.equal(dropped?.values[0]?.value, 6)
    assert.equal(queue.size, 3)
    queue.stop()
  })

  it('are given up when nobody answers, and at the end', async () => {
    const { queue, calls, clock } = setUp({ provideConcurrency: 1, operationTimeoutMs: 1_000 })
    for (const cid of cids.slice(0, 3)) queue.add(cid)
    await clock.run(1_001)
    await settle()
    assert.deepEqual([calls.length, calls[0]?.signal.aborted], [2, true])
    queue.stop()
    await settle()
    assert.deepEqual([calls.length, calls[1]?.signal.aborted, queue.size], [2, true, 0])
    queue.add(cids[4] as BlobCid)
    assert.equal(calls.length, 2)
  })
})

describe("the DHT's metrics", () => {
  it('take what libp2p reports by name, with labels that nobody outside can add to', async () => {
    const { metrics, register } = setUp({})
    const probe = dhtProbe(metrics)
    const out = probe.metrics.registerCounterGroup('libp2p_kad_dht_outbound_rpc_requests_total')
    out.increment({ ADD_PROVIDER: true })
    out.increment({ ADD_PROVIDER: true, SOMETHING: true })
    probe.metrics.registerCounterGroup('libp2p_kad_dht_inbound_rpc_errors_total').increment({ FIND_NODE: true })
    const times = probe.metrics.registerMetricGroup('libp2p_kad_dht_operation_time_seconds', { label: 'operation' })
    times.timer('PROVIDE')()
    times.timer('PROVIDE')
    probe.metrics.registerMetric('libp2p_kad_dht_routing_table_size').update(7)
    probe.metrics.registerMetric('libp2p_kad_dht_anything_else').update(9)
    assert.equal(probe.routingTableSize(), 7)
    const text = await register.metrics()
    assert.match(text, /dht_messages_total\{type="ADD_PROVIDER",direction="outbound"\} 2/)
    assert.match(text, /dht_messages_total\{type="other",direction="outbound"\} 1/)
    assert.match(text, /dht_message_errors_total\{type="FIND_NODE",direction="inbound"\} 1/)
    assert.match(text, /dht_operations_total\{operation="PROVIDE",outcome="done"\} 1/)
  })
})

describe("the DHT's options", () => {
  for (const [option, value] of [
    ['reprovideEveryMs', 10],
    ['recordLifetimeMs', 0],
    ['reprovideThresholdMs', -1],
    ['reprovideConcurrency', 0],
    ['maxRecords', Number.NaN],
    ['operationTimeoutMs', 1]
  ] as const) {
    it(`refuse ${option} ${value}`, () => {
      assert.throws(() => validateDhtOptions({ ...defaultDhtOptions, [option]: value }), { code: 'option-invalid' })
    })
  }
})
