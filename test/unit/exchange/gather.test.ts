import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { ExchangeClient } from '#src/exchange/client/client.ts'
import { exchangeOptions } from '#src/exchange/index.ts'
import { createExchangeMetrics } from '#src/exchange/metrics.ts'
import type { Blob, DigestKey } from '#src/model/index.ts'
import { defaultTimerWheelOptions, seededRng, TimerWheel } from '#src/util/index.ts'
import { seededBlob } from '#test/support/exchange/memory-blobs.ts'
import { peerId } from '#test/support/exchange/sim.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const GATHER_MS = exchangeOptions().client.gatherMs

/** A client with one peer; keeps the wants that it would have sent. */
class Syncing {
  readonly clock = new VirtualClock()
  readonly peer = peerId(1)
  #asked: DigestKey[] = []
  #next = 0
  readonly #length: number
  readonly #client: ExchangeClient

  constructor(length: number) {
    this.#length = length
    const { clock } = this
    this.#client = new ExchangeClient(
      {
        clock,
        rng: seededRng(1),
        wheel: new TimerWheel(clock, defaultTimerWheelOptions),
        metrics: createExchangeMetrics(new Registry()),
        selfPeer: peerId(0),
        peerDirectory: () => ({ access: [peerId(1)], execution: [] }),
        link: () => ({ queueWant: (key) => this.#asked.push(key), queueCancel: () => {} }),
        dropReceiving: () => {},
        busyMs: () => 0,
        penalise: () => {}
      },
      exchangeOptions({ client: { peerWindowBytes: { min: 1 << 26, initial: 1 << 28, max: 1 << 30 } } })
    )
    this.#client.connected(this.peer)
  }

  want({ hot = false } = {}): Blob {
    const blob = seededBlob(this.#next, this.#length)
    this.#next += 1
    const { signal } = new AbortController()
    const request = { cid: blob.cid, hot, origins: [], session: this, signal, take: () => undefined }
    this.#client.fetch(request).catch(() => {})
    return blob
  }

  delivers({ cid, bytes }: Blob): void {
    this.#client.admit(this.peer)
    this.#client.block(this.peer, { key: cid.key, digest: cid.digest, length: bytes.length, assemble: () => bytes })
  }

  /** How many were asked for within so many ms since the last call. */
  async asked(ms: number): Promise<number> {
    await this.clock.run(this.clock.now() + ms)
    const count = this.#asked.length
    this.#asked = []
    return count
  }

  /** Twenty came, and so many are under way. */
  async underWay(live: number): Promise<void> {
    for (let count = 0; count < 20; count += 1) this.want()
    const blobs = Array.from({ length: live }, () => this.want())
    await this.asked(1)
    for (const blob of blobs.slice(0, 20)) this.delivers(blob)
    await this.asked(100)
  }
}

test('small cold wants wait for one another while many are under way', async () => {
  const syncing = new Syncing(1_000)
  await syncing.underWay(60)
  syncing.want()
  assert.equal(await syncing.asked(0), 1, 'the first after a pause waits for nobody')
  for (let count = 0; count < 5; count += 1) {
    syncing.want()
    assert.equal(await syncing.asked(1), 0)
  }
  assert.equal(await syncing.asked(GATHER_MS), 5)
})

test('a hot want waits for nobody, and takes along what waits', async () => {
  const syncing = new Syncing(1_000)
  await syncing.underWay(60)
  syncing.want()
  await syncing.asked(0)
  syncing.want()
  assert.equal(await syncing.asked(0), 0)
  syncing.want({ hot: true })
  assert.equal(await syncing.asked(0), 2)
})

test('nothing waits where few are under way, or the blobs are large', async () => {
  for (const [length, live] of [
    [1_000, 25],
    [100_000, 60]
  ] as const) {
    const syncing = new Syncing(length)
    await syncing.underWay(live)
    for (let count = 0; count < 3; count += 1) {
      syncing.want()
      assert.equal(await syncing.asked(0), 1, `${length} bytes, ${live} under way`)
    }
  }
})
