import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Registry } from 'prom-client'
import { ExchangeClient } from '#src/exchange/client/client.ts'
import { type ExchangeOptionsChange, exchangeOptions } from '#src/exchange/index.ts'
import { parseEntry } from '#src/exchange/message/fields.ts'
import { createExchangeMetrics } from '#src/exchange/metrics.ts'
import type { Blob, PeerIdText } from '#src/model/index.ts'
import { defaultTimerWheelOptions, seededRng, TimerWheel } from '#src/util/index.ts'
import { seededBlob } from '#test/support/exchange/memory-blobs.ts'
import { peerId } from '#test/support/exchange/sim.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

/** A client whose words are kept instead of sent. */
class Asker {
  readonly clock = new VirtualClock()
  readonly peers = [1, 2, 3].map(peerId)
  /** `PEER want-block`, `PEER want-have` or `PEER cancel`, of the blob; PEER is 0, 1 or 2. */
  words: string[] = []
  readonly blob = seededBlob(1, 100)
  readonly client: ExchangeClient
  readonly #controller = new AbortController()

  constructor(change: ExchangeOptionsChange = {}) {
    const { clock, peers } = this
    const note = (peer: PeerIdText, entry: Uint8Array): void => {
      const { key, cancel, wantType } = parseEntry(entry.subarray(2)) ?? {}
      const word = cancel === true ? 'cancel' : `want-${wantType}`
      if (key === this.blob.cid.key) this.words.push(`${peers.indexOf(peer)} ${word}`)
    }
    this.client = new ExchangeClient(
      {
        clock,
        rng: seededRng(1),
        wheel: new TimerWheel(clock, defaultTimerWheelOptions),
        metrics: createExchangeMetrics(new Registry()),
        selfPeer: peerId(0),
        peerDirectory: () => this.#directory,
        link: (peer) => ({
          queueWant: (_key, entry) => note(peer, entry),
          queueCancel: (_key, entry) => note(peer, entry)
        }),
        dropReceiving: () => {},
        busyMs: () => 0,
        penalise: () => {}
      },
      exchangeOptions(change)
    )
  }

  readonly #directory = { access: [peerId(1), peerId(2), peerId(3)], execution: [] }

  connect(count: number): readonly PeerIdText[] {
    const connected = this.peers.slice(0, count)
    for (const peer of connected) this.client.connected(peer)
    return connected
  }

  want(): void {
    this.wantInto(() => undefined).catch(() => {})
  }

  wantInto<T>(take: (blob: Blob) => T | PromiseLike<T>): Promise<T> {
    const { cid } = this.blob
    return this.client.fetch({ cid, hot: false, origins: [], session: this, signal: this.#controller.signal, take })
  }

  giveUp(): void {
    this.#controller.abort(new Error('given up'))
  }

  /** What was said since the last call. */
  async said(ms = 0): Promise<string[]> {
    await this.clock.run(this.clock.now() + ms)
    const { words } = this
    this.words = []
    return words
  }

  leaves(peer: PeerIdText): void {
    this.client.wantsLeft(peer, [this.blob.cid.key])
  }

  says(peer: PeerIdText, have: boolean): void {
    this.client.heard(peer)
    this.client.presences(peer, [{ key: this.blob.cid.key, have }])
  }

  delivers(peer: PeerIdText, { cid, bytes }: Blob = this.blob): void {
    this.client.admit(peer)
    const digest = cid.digest
    this.client.block(peer, { key: cid.key, digest, length: bytes.length, assemble: () => bytes })
  }
}

describe('who is asked for one blob', () => {
  test('and delivers it is not told to forget it', async () => {
    const asker = new Asker()
    const [peer] = asker.connect(1)
    asker.want()
    assert.deepEqual(await asker.said(), ['0 want-block'])
    asker.leaves(peer!)
    asker.delivers(peer!)
    assert.deepEqual(await asker.said(), [])
  })

  test('a second time is told to forget it: the first want may have been answered, and the second stands', async () => {
    const asker = new Asker()
    const [peer] = asker.connect(1)
    asker.want()
    await asker.said()
    asker.leaves(peer!)
    asker.says(peer!, false)
    assert.deepEqual(await asker.said(350), ['0 cancel', '0 want-block'])
    asker.delivers(peer!)
    assert.deepEqual(await asker.said(), ['0 cancel'])
  })

  test('once more because its control stream broke is told to forget it too', async () => {
    const asker = new Asker()
    const [peer] = asker.connect(1)
    asker.want()
    await asker.said()
    asker.leaves(peer!)
    asker.client.controlLost(peer!)
    assert.deepEqual(await asker.said(), ['0 want-block'])
    asker.delivers(peer!)
    assert.deepEqual(await asker.said(), ['0 cancel'])
  })

  test('and given up before its control stream broke hears the cancel once more', async () => {
    const asker = new Asker()
    const [peer] = asker.connect(1)
    asker.want()
    await asker.said()
    asker.leaves(peer!)
    asker.giveUp()
    assert.deepEqual(await asker.said(), ['0 cancel'])
    asker.client.controlLost(peer!)
    assert.deepEqual(await asker.said(), ['0 cancel'])
    await asker.said(61_000)
    asker.client.controlLost(peer!)
    assert.deepEqual(await asker.said(), [], 'after a minute nothing is under way any more')
  })
})

describe("boxo's way of asking", () => {
  test('leaves a peer whose block broke off, whatever it says that it has', async () => {
    const asker = new Asker({ policy: 'classic' })
    const [first, second] = asker.connect(2)
    asker.want()
    assert.deepEqual(await asker.said(), ['0 want-have', '1 want-have'])
    for (const peer of [first!, second!]) asker.leaves(peer)
    asker.says(first!, true)
    asker.says(second!, true)
    assert.deepEqual(await asker.said(), ['0 want-block'])
    asker.leaves(first!)
    asker.client.partial(first!, { bytes: 50, blame: false, admitted: true })
    assert.deepEqual(await asker.said(), ['0 want-have', '1 want-block'])
  })
})

test('peers are counted by the strikes they have, and a delivery wipes them out', () => {
  const asker = new Asker()
  const [first, second] = asker.connect(3)
  for (let times = 0; times < 3; times++) asker.client.peer(first!)?.strike('stalled', 0)
  asker.client.peer(second!)?.strike('wrong', 0)
  assert.deepEqual(asker.client.peersByStrikes(), { '0': 1, '1': 1, '2-3': 1, '4+': 0 })
  asker.client.peer(first!)?.strike('stalled', 0)
  assert.equal(asker.client.peersByStrikes()['4+'], 1)
  asker.client.peer(first!)?.delivered(100, 0)
  assert.deepEqual(asker.client.peersByStrikes(), { '0': 2, '1': 1, '2-3': 0, '4+': 0 })
})

describe('a blob that has come', () => {
  test('is given to all who take it before anything else happens, and each gets what its own take made of it', async () => {
    const asker = new Asker()
    const [peer] = asker.connect(1)
    const taken: string[] = []
    const length = asker.wantInto(({ bytes }) => {
      taken.push('length')
      return bytes.length
    })
    const failed = asker.wantInto(() => {
      taken.push('failed')
      throw new Error('no room')
    })
    const key = asker.wantInto(({ cid }) => {
      taken.push('key')
      return Promise.resolve(cid.key)
    })
    await asker.said()
    asker.delivers(peer!)
    assert.deepEqual(taken, ['length', 'failed', 'key'])
    assert.equal(await length, 100)
    await assert.rejects(failed, /no room/)
    assert.equal(await key, asker.blob.cid.key)
    assert.equal(asker.client.liveWants, 0)
  })
})
