import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2p } from 'libp2p'
import { Registry } from 'prom-client'
import { createExchange, type Exchange, type ExchangeOptionsChange, Libp2pNetwork } from '#src/exchange/index.ts'
import { silentLogger } from '#src/log/logger.ts'
import type { Blob, PeerIdText } from '#src/model/index.ts'
import { seededRng, systemClock } from '#src/util/index.ts'
import { MemoryBlobs } from './memory-blobs.ts'

/** A host on loopback with an exchange on a memory store. */
export interface HostNode {
  readonly host: Libp2p
  readonly peer: PeerIdText
  readonly blobs: MemoryBlobs
  readonly exchange: Exchange
  readonly penalties: string[]
  readonly register: Registry
  /** Fetches, stores and tells the exchange, as a node does. */
  fetch(blob: Pick<Blob, 'cid'>, temperature?: 'hot' | 'cold', signal?: AbortSignal): Promise<Blob>
  /** Puts a blob as if the node had made it. */
  make(blob: Blob): void
  stop(): Promise<void>
}

/** Bare hosts with a key each, as far as the exchange needs them. */
export function bareHost(): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: 2_097_152, maxReadBufferLength: 4_194_304 } })],
    services: { identify: identify() },
    connectionManager: { inboundConnectionThreshold: 1000 },
    connectionMonitor: { enabled: false },
    start: false
  })
}

export interface NetworkShape {
  readonly access: number
  readonly execution: number
  readonly options?: ExchangeOptionsChange
  /** Access nodes that are listed and not started: hosts that a test plays. */
  readonly strangers?: readonly PeerIdText[]
}

/** A full mesh; execution nodes first. */
export async function startNetwork(shape: NetworkShape): Promise<HostNode[]> {
  const hosts = await Promise.all(Array.from({ length: shape.access + shape.execution }, bareHost))
  const peers = hosts.map((host) => host.peerId.toString() as PeerIdText)
  const directory = {
    execution: peers.slice(0, shape.execution),
    access: [...peers.slice(shape.execution), ...(shape.strangers ?? [])]
  }
  const nodes: HostNode[] = []
  for (const [index, host] of hosts.entries()) {
    nodes.push(await startNode(host, { directory, seed: index, options: shape.options ?? {} }))
  }
  for (const [index, node] of nodes.entries()) {
    for (const other of nodes.slice(index + 1)) await node.host.dial(other.host.getMultiaddrs())
  }
  return nodes
}

interface NodeShape {
  readonly directory: { readonly access: readonly PeerIdText[]; readonly execution: readonly PeerIdText[] }
  readonly seed: number
  readonly options: ExchangeOptionsChange
}

async function startNode(host: Libp2p, shape: NodeShape): Promise<HostNode> {
  const peer = host.peerId.toString() as PeerIdText
  const blobs = new MemoryBlobs()
  const penalties: string[] = []
  const register = new Registry()
  const network = new Libp2pNetwork({ libp2p: host, onPenalty: (_, reason) => penalties.push(reason) })
  await network.register()
  const exchange = createExchange(
    {
      network,
      blocks: blobs,
      requestFilter: () => true,
      peerDirectory: () => shape.directory,
      selfPeer: peer,
      clock: systemClock,
      rng: seededRng(shape.seed),
      logger: silentLogger,
      register
    },
    shape.options
  )
  await host.start()
  await exchange.start()
  const make = (blob: Blob): void => {
    blobs.put(blob)
    exchange.notifyNewBlobs([blob.cid])
  }
  return {
    host,
    peer,
    blobs,
    exchange,
    penalties,
    register,
    make,
    async fetch(blob, temperature = 'cold', signal = AbortSignal.timeout(20_000)) {
      const origins = temperature === 'hot' ? shape.directory.execution : []
      const got = await exchange.createSession({ temperature, origins }).fetch(blob.cid, { signal })
      make(got)
      return got
    },
    async stop() {
      await exchange.stop()
      await host.stop()
    }
  }
}
