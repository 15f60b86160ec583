// The feed's client against a server that speaks Flow's own .proto files over HTTP/2, as an access node does.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Code } from '@connectrpc/connect'
import { Registry } from 'prom-client'
import {
  type AccessHost,
  createFeedMetrics,
  defaultFlowAccessOptions,
  FlowAccessFeed,
  loadAccessHosts
} from '#src/feed/index.ts'
import { silentLogger } from '#src/log/logger.ts'
import { systemClock, systemRng } from '#src/util/index.ts'
import { blockIdAt, executionDataIdAt } from '#test/support/feed/access-hosts.ts'
import { AccessServer, type Script } from '#test/support/feed/access-server.ts'

describe('a host of the Access API, over gRPC', () => {
  const server = new AccessServer()
  let host: AccessHost
  before(async () => {
    await server.listen()
    ;[host] = (await loadAccessHosts([server.address], defaultFlowAccessOptions)) as [AccessHost]
  })
  after(async () => {
    host.close()
    await server.close()
  })
  const signal = (): AbortSignal => new AbortController().signal

  test('the three calls', async () => {
    server.script = { latest: 120 }
    const expected = { height: 120, blockId: blockIdAt(120), parentId: blockIdAt(119) }
    assert.deepEqual(await host.latestSealed({ signal: signal() }), expected)
    assert.deepEqual(await host.headerAt(120, { signal: signal() }), expected)
    assert.equal(await host.executionDataIdOf(blockIdAt(120), { signal: signal() }), executionDataIdAt(120))
    assert.equal(host.name, server.address)
  })

  test('every odd answer has its code', async () => {
    const rows: [Partial<Script>, string, (host: AccessHost) => Promise<unknown>][] = [
      [
        { emptyId: true },
        'execution-data-id-empty',
        (one) => one.executionDataIdOf(blockIdAt(7), { signal: signal() })
      ],
      [{ shortId: true }, 'answer-malformed', (one) => one.executionDataIdOf(blockIdAt(7), { signal: signal() })],
      [{ otherBlock: true }, 'answer-malformed', (one) => one.executionDataIdOf(blockIdAt(7), { signal: signal() })],
      [{ huge: true }, 'answer-too-large', (one) => one.executionDataIdOf(blockIdAt(7), { signal: signal() })],
      [{ otherHeight: true }, 'answer-malformed', (one) => one.headerAt(7, { signal: signal() })],
      [{ noHeader: true }, 'answer-malformed', (one) => one.headerAt(7, { signal: signal() })],
      [{}, 'not-found', (one) => one.headerAt(121, { signal: signal() })],
      [{ code: Code.Unavailable }, 'host-unreachable', (one) => one.latestSealed({ signal: signal() })],
      [{ code: Code.ResourceExhausted }, 'host-refused', (one) => one.latestSealed({ signal: signal() })],
      [{ code: Code.Internal }, 'host-refused', (one) => one.latestSealed({ signal: signal() })]
    ]
    for (const [script, code, call] of rows) {
      server.script = { latest: 120, ...script }
      await assert.rejects(call(host), { code }, JSON.stringify(script))
    }
    server.script = { latest: 120, stall: true }
    const stop = new AbortController()
    const stalled = host.latestSealed({ signal: stop.signal })
    stop.abort(new Error('long enough'))
    await assert.rejects(stalled, /long enough/)
    const [nobody] = (await loadAccessHosts(['127.0.0.1:1'], defaultFlowAccessOptions)) as [AccessHost]
    await assert.rejects(nobody.latestSealed({ signal: signal() }), { code: 'host-unreachable' })
    nobody.close()
  })
})

test('the feed follows two servers, one of them through a restart', async () => {
  const servers = [new AccessServer(), new AccessServer()]
  const [first, second] = servers
  assert.ok(first && second)
  for (const server of servers) await server.listen()
  const hosts = await loadAccessHosts(
    servers.map(({ address }) => address),
    defaultFlowAccessOptions
  )
  const metrics = createFeedMetrics(new Registry())
  const feed = new FlowAccessFeed(
    { hosts, clock: systemClock, rng: systemRng, log: silentLogger, metrics },
    { pollMs: 50, callTimeoutMs: 2_000, hedgeMs: 200, backoff: { initialMs: 20, maxMs: 200, jitter: 0.3 } }
  )
  await feed.start()
  const { signal } = new AbortController()
  const settle = async (height: number): Promise<void> => {
    const block = await feed.settled(height, { signal })
    assert.equal(block.executionDataId, executionDataIdAt(height))
    feed.release(height)
  }
  try {
    for (let height = 100; height <= 120; height += 1) await settle(height)
    const { port } = second
    await second.close()
    first.script.latest = 125
    const again = new AccessServer()
    again.script.latest = 125
    await again.listen(port)
    servers[1] = again
    for (let height = 121; height <= 125; height += 1) await settle(height)
    assert.equal(feed.highest, 125)
  } finally {
    await feed.stop()
    for (const server of servers) await server.close()
  }
})
