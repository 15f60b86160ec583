import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Registry } from 'prom-client'
import { createFeedMetrics, defaultFlowAccessOptions, type FlowAccessOptions, FlowAccessFeed } from '#src/feed/index.ts'
import { silentLogger } from '#src/log/logger.ts'
import type { Height, SealedBlock } from '#src/model/index.ts'
import { seededRng } from '#src/util/index.ts'
import { blockIdAt, executionDataIdAt, FakeAccessHost } from '#test/support/feed/access-hosts.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const FIRST = 100

class Bench {
  readonly clock = new VirtualClock()
  readonly metrics = createFeedMetrics(new Registry())
  readonly warnings: string[] = []
  readonly feed: FlowAccessFeed
  readonly given: SealedBlock[] = []
  readonly settled: SealedBlock[] = []
  readonly errors: unknown[] = []
  readonly #stop = new AbortController()

  constructor(hosts: readonly FakeAccessHost[], options: Partial<FlowAccessOptions> = {}) {
    const log = { ...silentLogger, warn: (_: unknown, text?: string) => void this.warnings.push(text ?? '') }
    const { clock, metrics } = this
    this.feed = new FlowAccessFeed({ hosts, clock, rng: seededRng(7), log, metrics }, options)
  }

  /** Starts the feed and a reader that releases what is settled. */
  async read(from: Height = FIRST): Promise<void> {
    await this.feed.start()
    const { signal } = this.#stop
    void (async () => {
      for await (const block of this.feed.blocks(from, { signal })) this.given.push(block)
    })().catch((error: unknown) => this.errors.push(error))
    void (async () => {
      for (let height = from; ; height += 1) {
        this.settled.push(await this.feed.settled(height, { signal }))
        // never what the other reader has not had yet
        this.feed.release(Math.min(height, this.given.at(-1)?.height ?? 0))
      }
    })().catch((error: unknown) => this.errors.push(error))
  }

  async until(ms: number): Promise<void> {
    await this.clock.run(ms)
  }

  async calls(outcome: string): Promise<number> {
    const { values } = await this.metrics.hostCalls.get()
    return values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    const stopped = this.feed.stop()
    await this.clock.run(this.clock.now() + 1)
    await stopped
  }
}

const hostsOf = (count: number, latest: Height): FakeAccessHost[] =>
  Array.from({ length: count }, (_, i) => new FakeAccessHost(`host-${i}:9000`, latest))

function assertChain(blocks: readonly SealedBlock[], from: Height, to: Height): void {
  assert.deepEqual(
    blocks.map(({ height, blockId, executionDataId }) => ({ height, blockId, executionDataId })),
    Array.from({ length: to - from + 1 }, (_, i) => ({
      height: from + i,
      blockId: blockIdAt(from + i),
      executionDataId: executionDataIdAt(from + i)
    }))
  )
}

describe('the feed by the Access API', () => {
  test('gives what is there in order, settled by two of three hosts, then what comes', async () => {
    const hosts = hostsOf(3, 160)
    const bench = new Bench(hosts)
    await bench.read()
    await bench.until(3_000)
    assertChain(bench.given, FIRST, 160)
    assertChain(bench.settled, FIRST, 160)
    for (const host of hosts) host.latest = 163
    await bench.until(5_000)
    assertChain(bench.settled, FIRST, 163)
    assert.equal(bench.feed.highest, 163)
    // two opinions a height, spread over three hosts
    const asked = hosts.map(({ calls }) => calls.filter((call) => call.startsWith('header')).length)
    assert.equal(
      asked.reduce((sum, count) => sum + count),
      2 * 64
    )
    assert.ok(Math.min(...asked) >= 30, String(asked))
    await bench.stop()
    assert.ok(hosts.every(({ closed }) => closed))
  })

  test('begins again where it is told to', async () => {
    const bench = new Bench(hostsOf(1, 500), { quorum: 1 })
    await bench.read(490)
    await bench.until(2_000)
    assertChain(bench.settled, 490, 500)
    await bench.stop()
  })

  for (const behaviour of ['stalls', 'unreachable', 'empty-ids', 'no-results', 'other-chain', 'other-data'] as const) {
    test(`one host of three ${behaviour}: the others settle every height`, async () => {
      const hosts = hostsOf(3, 130)
      const [, odd] = hosts
      assert.ok(odd)
      const bench = new Bench(hosts)
      odd.behaviour = behaviour
      await bench.read()
      await bench.until(60_000)
      assertChain(bench.settled, FIRST, 130)
      const outcome = {
        stalls: 'host-timeout',
        unreachable: 'host-unreachable',
        'empty-ids': 'execution-data-id-empty',
        'no-results': 'not-found',
        'other-chain': 'ok',
        'other-data': 'ok'
      }[behaviour]
      assert.ok((await bench.calls(outcome)) > 0)
      await bench.stop()
    })
  }

  test('a header that does not follow the block below is no vote', async () => {
    const hosts = hostsOf(3, 120)
    const bench = new Bench(hosts)
    await bench.read()
    await bench.until(2_000)
    for (const [at, host] of hosts.entries()) {
      host.behaviour = at === 1 ? 'other-chain' : 'honest'
      host.latest = 121
    }
    await bench.until(20_000)
    assertChain(bench.settled, FIRST, 121)
    assertChain(bench.given, FIRST, 121)
    assert.ok((await bench.calls('answer-malformed')) > 0)
    assert.equal((await bench.metrics.conflicts.get()).values[0]?.value, 0)
    await bench.stop()
  })

  test('a host that is gone for a while is asked ever less, and followed again when it is back', async () => {
    const [host] = hostsOf(1, 110)
    assert.ok(host)
    const bench = new Bench([host])
    await bench.read()
    await bench.until(2_000)
    host.behaviour = 'unreachable'
    host.latest = 140
    const before = host.calls.length
    await bench.until(122_000)
    assert.ok(host.calls.length - before < 30, `${host.calls.length - before} calls in two minutes`)
    host.behaviour = 'honest'
    await bench.until(150_000)
    assertChain(bench.settled, FIRST, 140)
    await bench.stop()
  })

  test('a host that goes back in height, or claims one far beyond, moves nothing', async () => {
    const hosts = hostsOf(3, 120)
    const [first, second] = hosts
    assert.ok(first && second)
    const bench = new Bench(hosts)
    await bench.read()
    await bench.until(2_000)
    first.latest = 50
    second.latest = Number.MAX_SAFE_INTEGER
    await bench.until(4_000)
    assert.equal(bench.feed.highest, 120)
    assert.ok((await bench.calls('backwards')) >= 1)
    assertChain(bench.settled, FIRST, 120)
    second.latest = 120
    for (const host of hosts) host.latest = Math.max(host.latest, 125)
    await bench.until(10_000)
    assert.equal(bench.feed.highest, 125)
    assertChain(bench.settled, FIRST, 125)
    await bench.stop()
  })

  test('two hosts that contradict one another: given out, not settled, told, and asked again', async () => {
    const hosts = hostsOf(2, 101)
    const [, odd] = hosts
    assert.ok(odd)
    odd.behaviour = 'other-data'
    const bench = new Bench(hosts)
    await bench.read()
    await bench.until(20_000)
    assert.deepEqual([bench.given.length, bench.settled.length], [2, 0])
    assert.equal((await bench.metrics.conflicts.get()).values[0]?.value, 2)
    assert.ok(bench.warnings.includes('hosts of the access API give different data for one height'))
    odd.behaviour = 'honest'
    await bench.until(60_000)
    assertChain(bench.settled, FIRST, 101)
    await bench.stop()
  })

  test('a reader that does not release is not run ahead of', async () => {
    const [host] = hostsOf(1, 1_000)
    assert.ok(host)
    const bench = new Bench([host], { windowHeights: 20 })
    await bench.feed.start()
    const stop = new AbortController()
    const blocks = bench.feed.blocks(FIRST, { signal: stop.signal })[Symbol.asyncIterator]()
    const first = blocks.next()
    await bench.until(5_000)
    assert.equal((await first).value?.height, FIRST)
    assert.equal(host.calls.filter((call) => call.startsWith('header')).length, 20)
    assert.equal((await bench.metrics.windowHeights.get()).values[0]?.value, 20)
    bench.feed.release(FIRST)
    await assert.rejects(bench.feed.settled(FIRST, { signal: stop.signal }), { code: 'released' })
    await bench.stop()
    await assert.rejects(blocks.next(), { code: 'stopped' })
  })

  test('options that cannot be', () => {
    const make = (options: Partial<FlowAccessOptions>, hosts = hostsOf(1, 1)): Bench => new Bench(hosts, options)
    for (const wrong of [{ quorum: 0 }, { hedgeMs: 20_000 }, { windowHeights: 0.5 }, { suspiciousDistance: 1 }]) {
      assert.throws(() => make(wrong), RangeError)
    }
    assert.throws(() => make({ backoff: { ...defaultFlowAccessOptions.backoff, maxMs: 1 } }), RangeError)
    assert.throws(() => make({}, []), RangeError)
  })
})
