import assert from 'node:assert/strict'
import { base58btc } from 'multiformats/bases/base58'
import { Registry } from 'prom-client'
import { ExchangeService } from '#src/exchange/exchange-service.ts'
import { type ExchangeOptionsChange, exchangeOptions } from '#src/exchange/index.ts'
import { VirtualNetwork, type VirtualPort } from './virtual-network.ts'
import { silentLogger } from '#src/log/logger.ts'
import { type Blob, blobOf, type PeerIdText } from '#src/model/index.ts'
import { seededRng } from '#src/util/index.ts'
import { VirtualClock } from '#src/util/virtual-clock.ts'
import { MemoryBlobs } from './memory-blobs.ts'

const KIB = 1024

/** One byte in the simulation stands for so many: bodies are small, times are those of the whole. */
const SCALE = 64

export interface SimShape {
  readonly seed: number
  readonly producers: number
  readonly access: number
  /** Uplink of each node, bits a second before scaling. */
  readonly uplinkBits?: number
  /** One-way delay, ms, drawn for each pair. */
  readonly delayMs?: readonly [number, number]
  readonly options?: ExchangeOptionsChange
}

export interface SimNode {
  readonly peer: PeerIdText
  readonly port: VirtualPort
  readonly exchange: ExchangeService
  readonly blobs: MemoryBlobs
  readonly register: Registry
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

/** A blob that stands for `bytes` bytes. */
export function simBlob(number: number, bytes = 1024 * KIB): Blob {
  const body = new Uint8Array(Math.max(8, Math.round(bytes / SCALE)))
  new DataView(body.buffer).setFloat64(0, number + 0.25)
  return blobOf(body)
}

export function createSim(shape: SimShape, strangers = 0): Sim {
  const clock = new VirtualClock()
  const rng = seededRng(shape.seed)
  const [least, most] = shape.delayMs ?? [3, 60]
  const delays = new Map<string, number>()
  const network = new VirtualNetwork(clock, {
    delayMs(from, to) {
      const pair = from < to ? from + to : to + from
      const delay = delays.get(pair) ?? least + (most - least) * rng.next()
      delays.set(pair, delay)
      return delay
    },
    bytesPerSecond: (shape.uplinkBits ?? 1e9) / 8 / SCALE,
    segmentBytes: (64 * KIB) / SCALE,
    windowBytes: (2048 * KIB) / SCALE
  })
  const all = Array.from({ length: shape.producers + shape.access + strangers }, (_, index) => peerId(index))
  const outside = all.slice(shape.producers + shape.access)
  const directory = { execution: all.slice(0, shape.producers), access: all.slice(shape.producers) }
  const nodes = all.slice(0, shape.producers + shape.access).map((peer, index): SimNode => {
    const port = network.join(peer)
    const blobs = new MemoryBlobs()
    const register = new Registry()
    const exchange = new ExchangeService(
      {
        network: port,
        blocks: blobs,
        requestFilter: () => true,
        peerDirectory: () => directory,
        selfPeer: peer,
        clock,
        rng: seededRng(shape.seed * 1000 + index),
        logger: silentLogger,
        register,
        nextTurn: (run) => clock.setTimer(0, run)
      },
      exchangeOptions(scaled(shape.options ?? {}))
    )
    return { peer, port, exchange, blobs, register }
  })
  for (const stranger of outside) network.join(stranger)
  for (const node of nodes) void node.exchange.start()
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
        if (events % 64 === 0) for (const node of nodes) checkInvariants(node)
      }),
    async stop() {
      await Promise.all(nodes.map((node) => node.exchange.stop()))
    }
  }
}

/** What must hold after every event. */
export function checkInvariants(node: SimNode): void {
  const { client, server } = node.exchange
  for (const want of client.wants()) {
    const owned = want.state === 'asked' || want.state === 'sent' || want.state === 'acked'
    assert.equal(want.owner !== undefined, owned, `a ${want.state} want and its owner`)
    if (owned || want.state === 'resting') assert.ok(want.timer !== undefined, `a ${want.state} want without a timer`)
    if (want.owner !== undefined) {
      assert.ok(client.peer(want.owner)?.outstanding.has(want.key), 'an owner that does not know its want')
    }
  }
  let outstanding = 0
  for (const state of client.peers()) {
    outstanding += state.outstanding.size
    assert.ok(state.inFlightBytes >= 0)
  }
  const owned = [...client.wants()].filter((want) => want.owner !== undefined).length
  assert.equal(outstanding, owned, 'one owner per want')
  assert.equal(server.bytesInFlight, server.reservedBytes, 'bytes held are bytes accounted')
  for (const peer of server.peers()) assert.ok(client.peer(peer) !== undefined, 'a ledger of a peer that is gone')
}

/** What must hold when everything is delivered and nothing is on its way. */
export function checkQuiet(node: SimNode): void {
  checkInvariants(node)
  assert.equal(node.exchange.client.liveWants, 0)
  assert.equal(node.exchange.server.bytesInFlight, 0, 'nothing is held for sending')
  assert.equal(node.exchange.receivingBytes, 0, 'nothing is held for receiving')
}
