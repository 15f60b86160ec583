import { base58btc } from 'multiformats/bases/base58'
import type { ExchangeOptionsChange, ProviderRouter } from '#src/exchange/index.ts'
import { type Blob, blobOf, type PeerIdText } from '#src/model/index.ts'
import { seededRng } from '#src/util/index.ts'
import { settleInTicks, VirtualClock } from '#test/support/virtual-clock.ts'
import { checkInvariants } from './invariants.ts'
import { SimNode } from './sim-node.ts'
import { VirtualNetwork } from './virtual-network.ts'

const KIB = 1024

/** One byte in the simulation stands for so many: bodies are small, times are those of the whole. */
export const SCALE = 64
/** Segments shorter than this are taken for words, not for blocks, bytes. */
const LEAST_BLOCK = 256

export interface SimShape {
  readonly seed: number
  readonly producers: number
  readonly access: number
  /** Uplink of each node, bits a second before scaling. */
  readonly uplinkBits?: number
  /** Uplinks that differ, by the node's number. */
  readonly uplinkBitsOf?: (number: number) => number | undefined
  /** One-way delay, ms, drawn for each pair. */
  readonly delayMs?: readonly [number, number]
  readonly options?: ExchangeOptionsChange
  /** Says who has what, to every node. */
  readonly router?: ProviderRouter
  /** Most that a segment is late, ms; drawn for each. */
  readonly jitterMs?: number
  /** Invariants are checked after so many events. */
  readonly checkEvery?: number
  /** Called whenever the node's own code may have run. */
  readonly onTurn?: (node: SimNode) => void
}

export interface Sim {
  readonly clock: VirtualClock
  readonly network: VirtualNetwork
  readonly producers: readonly SimNode[]
  readonly access: readonly SimNode[]
  readonly nodes: readonly SimNode[]
  readonly rng: { next(): number }
  /** A joined peer without an exchange, listed as an access node, for scripts. */
  readonly strangers: readonly PeerIdText[]
  run(untilMs: number): Promise<void>
  stop(): Promise<void>
}

/** A peer id that is well formed and nothing more. */
export function peerId(number: number): PeerIdText {
  const bytes = new Uint8Array(34)
  bytes[0] = 0x12
  bytes[1] = 0x20
  new DataView(bytes.buffer).setUint32(2, number + 1)
  return base58btc.baseEncode(bytes) as PeerIdText
}

/** The options of a node whose blobs are `SCALE` times smaller than what they stand for. */
function scaled(change: ExchangeOptionsChange): ExchangeOptionsChange {
  const windows = { initial: (2048 * KIB) / SCALE, min: (1024 * KIB) / SCALE, max: (4096 * KIB) / SCALE }
  return {
    ...change,
    client: {
      minRateBytes: (64 * KIB) / SCALE,
      peerWindowBytes: windows,
      firstSizeEstimateBytes: (256 * KIB) / SCALE,
      ...change.client
    },
    server: {
      streamRoomBytes: (256 * KIB) / SCALE,
      quantumBytes: (256 * KIB) / SCALE,
      packBytes: (64 * KIB) / SCALE,
      ...change.server
    }
  }
}

/** A delay for each pair, the same for the same seed whatever the nodes do. */
function delays(peers: readonly PeerIdText[], shape: SimShape): (from: PeerIdText, to: PeerIdText) => number {
  const [least, most] = shape.delayMs ?? [3, 60]
  const rng = seededRng(shape.seed * 31 + 7)
  const row = new Map(peers.map((peer, index) => [peer, index]))
  const drawn = peers.map(() => peers.map(() => least + (most - least) * rng.next()))
  return (from, to) => {
    const [a, b] = [row.get(from) ?? 0, row.get(to) ?? 0]
    return drawn[Math.min(a, b)]?.[Math.max(a, b)] ?? most
  }
}

/** A blob that stands for `bytes` bytes. */
export function simBlob(number: number, bytes = 1024 * KIB): Blob {
  const body = new Uint8Array(Math.max(8, Math.round(bytes / SCALE)))
  new DataView(body.buffer).setFloat64(0, number + 0.25)
  return blobOf(body)
}

export function createSim(shape: SimShape, strangers = 0): Sim {
  const clock = new VirtualClock(settleInTicks())
  const rng = seededRng(shape.seed)
  const all = Array.from({ length: shape.producers + shape.access + strangers }, (_, index) => peerId(index))
  const network = new VirtualNetwork(clock, {
    delayMs: delays(all, shape),
    bytesPerSecond: (shape.uplinkBits ?? 1e9) / 8 / SCALE,
    uplinkOf: (peer) => {
      const bits = shape.uplinkBitsOf?.(all.indexOf(peer))
      return bits === undefined ? undefined : bits / 8 / SCALE
    },
    segmentBytes: (64 * KIB) / SCALE,
    // Words are not scaled: what is shorter than any block counts for what it is.
    cost: (bytes) => (bytes < LEAST_BLOCK ? bytes / SCALE : bytes),
    windowBytes: (2048 * KIB) / SCALE,
    jitterMs: () => (shape.jitterMs === undefined ? 0 : rng.next() * shape.jitterMs)
  })
  const outside = all.slice(shape.producers + shape.access)
  const directory = { execution: all.slice(0, shape.producers), access: all.slice(shape.producers) }
  const options = scaled(shape.options ?? {})
  const nodes = all.slice(0, shape.producers + shape.access).map(
    (peer, index) =>
      new SimNode({
        ...{ port: network.join(peer), clock, directory, options, seed: shape.seed * 1000 + index },
        ...(shape.router === undefined ? {} : { router: shape.router })
      })
  )
  for (const stranger of outside) network.join(stranger)
  all.forEach((a, index) => {
    for (const b of all.slice(index + 1)) network.connect(a, b)
  })
  let events = 0
  return {
    clock,
    network,
    nodes,
    rng,
    strangers: outside,
    producers: nodes.slice(0, shape.producers),
    access: nodes.slice(shape.producers),
    run: (until) =>
      clock.run(until, () => {
        events += 1
        if (events % (shape.checkEvery ?? 64) === 0) for (const node of nodes) checkInvariants(node)
      }),
    async stop() {
      await Promise.all(nodes.map((node) => node.exchange.stop()))
    }
  }
}
