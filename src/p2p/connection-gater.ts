/**
 * Lets the staked, non-ejected set in and nobody else.
 *
 * Inbound: a socket is first judged by its address, before it may cost a handshake, then by its authenticated peer id.
 * Outbound: before the dial, by peer id and address; only the identity table's address is dialled, never one that a peer
 * told of itself, since that may lead round what the operator put in front of the node.
 *
 * Handshakes are what a stranger can make us pay for, so those that are not done yet are bounded: each address of the table
 * has slots of its own (two for every node there), all other addresses share a few. A flood from outside therefore cannot
 * take the slots of the staked set. Addresses that stand in the table as DNS names are not known as IPs; they enlarge the
 * shared part.
 */
import { isIP } from 'node:net'
import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { NodeIdentity, PeerIdText } from '../model/index.ts'
import type { Clock } from '../util/index.ts'
import type { Cooldowns } from './cooldowns.ts'
import { canonicalIp, toMultiaddrText } from './identity-table/address.ts'
import type { IdentityTable } from './identity-table/table.ts'
import type { Direction, P2pMetrics } from './metrics.ts'
import { TokenBucket } from './token-bucket.ts'

export interface GaterComponents {
  readonly table: Pick<IdentityTable, 'all' | 'byPeerId' | 'isAdmitted' | 'onChange'>
  readonly cooldowns: Pick<Cooldowns, 'remainingMs'>
  readonly clock: Clock
  readonly metrics: Pick<P2pMetrics, 'refusals' | 'blockConnection'>
}

export type RefusalReason =
  | 'unknown-peer'
  | 'ejected'
  | 'cooldown'
  | 'unknown-address'
  | 'pending-known'
  | 'pending-unknown'
  | 'rate-known'
  | 'rate-unknown'

/** Handshakes that all addresses outside the table may have pending together; and from one such address. */
const UNKNOWN_PENDING = 8
const UNKNOWN_PENDING_PER_IP = 2
/** Handshakes per second that all addresses outside the table may begin together, and at once. */
const UNKNOWN_PER_SECOND = 8
const UNKNOWN_BURST = 24
/** Slots of an address beyond two for each of its nodes, so that one node that restarts does not wait for its own past. */
const KNOWN_SLACK = 4

interface Source {
  readonly maxPending: number
  readonly bucket: TokenBucket
  pending: number
}

export class StakedConnectionGater implements ConnectionGater {
  readonly #components: GaterComponents
  #known = new Map<string, Source>()
  #unknown: Source
  readonly #unknownPerIp = new Map<string, number>()
  readonly #release = new WeakMap<MultiaddrConnection, () => void>()

  constructor(components: GaterComponents) {
    this.#components = components
    this.#unknown = this.#unknownSource(0)
    this.#readTable()
    components.table.onChange(() => this.#readTable())
  }

  /** Handshakes from inside that are not done yet. */
  get pendingInbound(): number {
    let pending = this.#unknown.pending
    for (const source of this.#known.values()) pending += source.pending
    return pending
  }

  denyDialPeer = (peerId: PeerId): boolean => this.#denyPeer('outbound', peerId)

  denyDialMultiaddr = (address: Multiaddr): boolean => {
    const peer = address.getComponents().findLast((component) => component.name === 'p2p')?.value
    const identity = peer === undefined ? undefined : this.#components.table.byPeerId(peer as PeerIdText)
    if (identity !== undefined && isAddressOf(identity, address)) return false
    return this.#refuse('outbound', 'unknown-address')
  }

  denyInboundConnection = (socket: MultiaddrConnection): boolean => {
    const ip = ipOf(socket.remoteAddr)
    const known = this.#known.get(ip)
    return known === undefined ? this.#admitUnknown(ip, socket) : this.#admitKnown(known, socket)
  }

  denyInboundEncryptedConnection = (peerId: PeerId, socket: MultiaddrConnection): boolean => {
    this.#release.get(socket)?.()
    return this.#denyPeer('inbound', peerId)
  }

  denyOutboundEncryptedConnection = (peerId: PeerId): boolean => this.#denyPeer('outbound', peerId)

  /** Asked again at the end: the table may have changed during the handshake. */
  denyInboundUpgradedConnection = (peerId: PeerId): boolean => this.#denyPeer('inbound', peerId)

  denyOutboundUpgradedConnection = (peerId: PeerId): boolean => this.#denyPeer('outbound', peerId)

  /** What a peer says of its own addresses is not kept. */
  filterMultiaddrForPeer = (peerId: PeerId, address: Multiaddr): boolean => {
    const identity = this.#components.table.byPeerId(peerId.toString() as PeerIdText)
    return identity !== undefined && isAddressOf(identity, address)
  }

  #denyPeer(direction: Direction, peerId: PeerId): boolean {
    const peer = peerId.toString() as PeerIdText
    const identity = this.#components.table.byPeerId(peer)
    if (identity === undefined) return this.#refuse(direction, 'unknown-peer')
    if (identity.ejected) return this.#refuse(direction, 'ejected')
    if (this.#components.cooldowns.remainingMs(peer) > 0) return this.#refuse(direction, 'cooldown')
    return false
  }

  #admitKnown(source: Source, socket: MultiaddrConnection): boolean {
    if (source.pending >= source.maxPending) return this.#refuse('inbound', 'pending-known')
    if (!source.bucket.take()) return this.#refuse('inbound', 'rate-known')
    source.pending += 1
    this.#releaseOnce(socket, () => {
      source.pending -= 1
    })
    return false
  }

  #admitUnknown(ip: string, socket: MultiaddrConnection): boolean {
    const source = this.#unknown
    const ofIp = this.#unknownPerIp.get(ip) ?? 0
    if (source.pending >= source.maxPending || ofIp >= UNKNOWN_PENDING_PER_IP) {
      return this.#refuse('inbound', 'pending-unknown')
    }
    if (!source.bucket.take()) return this.#refuse('inbound', 'rate-unknown')
    source.pending += 1
    this.#unknownPerIp.set(ip, ofIp + 1)
    this.#releaseOnce(socket, () => {
      source.pending -= 1
      const left = (this.#unknownPerIp.get(ip) ?? 1) - 1
      if (left === 0) this.#unknownPerIp.delete(ip)
      else this.#unknownPerIp.set(ip, left)
    })
    return false
  }

  #releaseOnce(socket: MultiaddrConnection, release: () => void): void {
    const once = (): void => {
      if (this.#release.delete(socket)) release()
    }
    this.#release.set(socket, once)
    socket.addEventListener('close', once, { once: true })
  }

  #refuse(direction: Direction, reason: RefusalReason): true {
    this.#components.metrics.refusals.inc({ direction, reason })
    this.#components.metrics.blockConnection.inc({ direction, usefd: 'true' })
    return true
  }

  #unknownSource(dnsNodes: number): Source {
    const rate = { perSecond: UNKNOWN_PER_SECOND + dnsNodes, burst: UNKNOWN_BURST + 2 * dnsNodes }
    return {
      maxPending: UNKNOWN_PENDING + 2 * dnsNodes,
      bucket: new TokenBucket(this.#components.clock, rate),
      pending: 0
    }
  }

  /** Counts the nodes of each address. Handshakes that are pending keep counting against the source they came in by. */
  #readTable(): void {
    const nodes = new Map<string, number>()
    let dnsNodes = 0
    for (const { host, ejected } of this.#components.table.all) {
      if (ejected) continue
      const ip = canonicalIp(host)
      if (isIP(ip) === 0) dnsNodes += 1
      else nodes.set(ip, (nodes.get(ip) ?? 0) + 1)
    }
    this.#known = new Map(
      [...nodes].map(([ip, count]) => {
        const slots = 2 * count + KNOWN_SLACK
        const bucket = new TokenBucket(this.#components.clock, { perSecond: slots, burst: 2 * slots })
        return [ip, { maxPending: slots, bucket, pending: 0 }]
      })
    )
    this.#unknown = this.#unknownSource(dnsNodes)
  }
}

/** The IP of a connection in its canonical text; empty when it has none. */
function ipOf(address: Multiaddr): string {
  const component = address.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')
  return canonicalIp(component?.value ?? '')
}

/** True for the table's address of a node, with or without the peer id behind it. */
function isAddressOf(identity: NodeIdentity, address: Multiaddr): boolean {
  const own = multiaddr(toMultiaddrText(identity))
  return address.equals(own) || address.equals(own.encapsulate(`/p2p/${identity.peerId}`))
}
