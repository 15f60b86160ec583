import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/logger.ts'
import type { Height, PeerIdText, SignedAnnouncement } from '#src/model/index.ts'
import { createRelayMetrics, defaultRelayLogOptions, openRelayLog, type RelayLog } from '#src/provider/index.ts'
import { blockAt } from '#test/support/requester/blocks.ts'
import { MemorySpace } from '#test/support/requester/memory-space.ts'

const signer = (name: string): PeerIdText => name as PeerIdText

function announce(height: Height): SignedAnnouncement {
  const { blockId, executionDataId } = blockAt(height)
  return {
    height,
    blockId,
    executionDataId,
    announcedAtMs: 5,
    hint: [],
    signedBytes: new Uint8Array(),
    signature: new Uint8Array()
  }
}

class World {
  readonly space = new MemorySpace()
  readonly metrics = createRelayMetrics(new Registry())
  prunedTo: Height | undefined

  open(options: Partial<typeof defaultRelayLogOptions> = {}): Promise<RelayLog> {
    const { space, metrics } = this
    return openRelayLog(
      {
        space,
        encode: ({ height }) => new Uint8Array(new BigUint64Array([BigInt(height)]).buffer),
        decode: (bytes) => announce(Number(new BigUint64Array(bytes.slice().buffer)[0])),
        prunedTo: () => this.prunedTo,
        metrics,
        logger: silentLogger
      },
      { ...defaultRelayLogOptions, ...options }
    )
  }

  async outcome(outcome: string): Promise<number> {
    const { values } = await this.metrics.relayed.get()
    return values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0
  }
}

const heights = async (log: RelayLog, from: Height, to: Height): Promise<Height[]> =>
  (await Array.fromAsync(log.read(from, to))).map(({ height }) => height)

describe('announcements kept for observers', () => {
  test('all signers of a height, in order of heights, in whatever order they came, also after a restart', async () => {
    const world = new World()
    const log = await world.open()
    assert.deepEqual([log.lowest, log.highest], [undefined, undefined])
    for (const height of [12, 10, 11])
      for (const name of ['a', 'b']) assert.ok(log.take(signer(name), announce(height)))
    assert.equal(log.take(signer('a'), announce(11)), false)
    await log.settled()
    assert.equal(await world.outcome('repeated'), 1)
    for (const one of [log, await world.open()]) {
      assert.deepEqual([one.lowest, one.highest], [10, 12])
      assert.deepEqual(await heights(one, 0, 11), [10, 10, 11, 11])
    }
  })

  test('a height has a bound, and so have the heights and what waits to be written', async () => {
    const world = new World()
    const log = await world.open({ maxPerHeight: 2, retentionHeights: 100, maxQueued: 150 })
    for (const name of ['a', 'b', 'c']) log.take(signer(name), announce(1))
    assert.equal(await world.outcome('full'), 1)
    for (let height = 2; height <= 400; height += 1) {
      log.take(signer('a'), announce(height))
      if (height % 50 === 0) await log.settled()
    }
    await log.settled()
    assert.equal(log.take(signer('b'), announce(299)), false)
    assert.equal(await world.outcome('old'), 1)
    assert.ok((log.lowest ?? 0) >= 400 - 100 - 64 && (log.lowest ?? 0) <= 301, `lowest ${log.lowest}`)
    assert.deepEqual((await heights(log, 0, 1_000)).at(0), log.lowest)
    for (let height = 401; height <= 700; height += 1) log.take(signer('a'), announce(height))
    // one is being written, 150 wait
    assert.equal(await world.outcome('dropped'), 149)
    await log.settled()
  })

  test('what is pruned is not offered', async () => {
    const world = new World()
    const log = await world.open()
    for (const height of [1, 2, 3]) log.take(signer('a'), announce(height))
    await log.settled()
    world.prunedTo = 2
    assert.deepEqual([log.lowest, log.highest, await heights(log, 0, 9)], [3, 3, [3]])
    world.prunedTo = 3
    assert.deepEqual([log.lowest, log.highest, await heights(log, 0, 9)], [undefined, undefined, []])
  })
})
