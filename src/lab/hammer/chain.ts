/**
 * A chain of calls: each block goes from the target to a first access node, from that to a second, and so on. The nodes behind the
 * target are hosts and exchanges of the product in the driver, each with a key, connections and blobs of its own; each asks the one
 * before as soon as the block is announced, so that the want stands when the blob comes.
 */
import { createHash } from 'node:crypto'
import type { NodeIdentity } from '../../model/index.ts'
import { generateNetworkKey, parseIdentities, peerIdOf } from '../../p2p/index.ts'
import { type Clock, type Rng, systemRng, toHex } from '../../util/index.ts'
import { freePorts } from '../localnet/ports.ts'
import { type KnownBlob, RecentBlobs } from './blobs.ts'
import { LoadPeer } from './load-peer.ts'
import type { Tally } from './tally.ts'

/** A hop keeps what it has just got, for the next one. */
const HOP_BYTES = 32 * 1_048_576
const CONNECT_LIMIT_MS = 30_000
/** A message that has not come through a hop in this time is lost. */
const HOP_LIMIT_MS = 30_000

interface Hop {
  readonly peer: LoadPeer
  readonly blobs: RecentBlobs
}

export class CallChain {
  readonly #clock: Clock
  readonly #hops: readonly Hop[]
  /** The staked peer that asks the target. */
  readonly #head: LoadPeer

  private constructor(clock: Clock, head: LoadPeer, hops: readonly Hop[]) {
    this.#clock = clock
    this.#head = head
    this.#hops = hops
  }

  /** `hops` counts the one from the target to the first. To be stopped. */
  static async start(
    components: { readonly clock: Clock; readonly rng: Rng; readonly head: LoadPeer },
    options: { readonly hops: number; readonly signal: AbortSignal }
  ): Promise<CallChain> {
    const { clock, head } = components
    // The first serves what the head got: the head itself answers the target with what all load peers hold.
    const keys = Array.from({ length: options.hops }, () => generateNetworkKey())
    const ports = await freePorts(keys.length, systemRng)
    const identities = identitiesOf(keys.map((key, at) => ({ point: key.publicKey.point, port: ports[at] ?? 0 })))
    const hops: Hop[] = []
    for (const [at, key] of keys.entries()) {
      const own = identities.find(({ peerId }) => peerId === peerIdOf(key))
      if (own === undefined) throw new Error('a key is missing in its own table')
      const near = keys.slice(Math.max(0, at - 1), at + 2).map((one) => peerIdOf(one))
      const known = identities.filter(({ peerId }) => near.includes(peerId))
      const asks = hops[at - 1]?.peer.peerId ?? head.asks
      const blobs = new RecentBlobs(HOP_BYTES)
      const peer = await LoadPeer.start(components, { key, listen: own, identities: known, asks, blobs })
      hops.push({ peer, blobs })
      const before = hops[at - 1]
      if (before !== undefined)
        await peer.connected(before.peer.peerId, { limitMs: CONNECT_LIMIT_MS, signal: options.signal })
    }
    return new CallChain(clock, head, hops)
  }

  /**
   * Sends one message down the chain; resolves when it is at the end, or lost on the way. Each hop is counted with its latency; the
   * first from when the message is asked for, which includes that the target has to get it.
   */
  async send(
    message: KnownBlob,
    use: { readonly first?: Tally; readonly tally: Tally; readonly signal: AbortSignal }
  ): Promise<boolean> {
    const late = new AbortController()
    const timer = this.#clock.setTimer(HOP_LIMIT_MS, () => late.abort(new Error('late')))
    const signal = AbortSignal.any([use.signal, late.signal])
    const startedAt = this.#clock.now()
    const arrivals = this.#hops.map(({ peer, blobs }, at) => {
      const source = at === 0 ? this.#head : peer
      return source
        .session('hot')
        .fetch(message.cid, { signal })
        .then((blob) => {
          blobs.put(blob)
          peer.exchange.notifyNewBlobs([blob.cid])
          return this.#clock.now()
        })
    })
    const times = await Promise.all(arrivals.map((arrival) => arrival.catch(() => undefined)))
    timer.cancel()
    if (use.signal.aborted) return false
    times.forEach((time, at) => {
      const before = at === 0 ? startedAt : times[at - 1]
      const tally = at === 0 ? (use.first ?? use.tally) : use.tally
      if (time === undefined || before === undefined) tally.add({ kind: 'failed', by: 'lost' }, 0)
      else tally.add({ kind: 'ok', bytes: message.size }, Math.max(0, time - before))
    })
    return times.every((time) => time !== undefined)
  }

  async stop(): Promise<void> {
    for (const { peer } of this.#hops) await peer.stop().catch(() => undefined)
  }
}

function identitiesOf(nodes: readonly { readonly point: Uint8Array; readonly port: number }[]): NodeIdentity[] {
  const entries = nodes.map(({ point, port }) => ({
    Role: 'access',
    Address: `127.0.0.1:${port}`,
    NodeID: createHash('sha256').update(point).digest('hex'),
    NetworkPubKey: toHex(point)
  }))
  return parseIdentities(JSON.stringify(entries))
}
