/**
 * Who comes to an access node's public host. Nobody there is staked: anyone with a key may come, so what bounds them is their number, in
 * all and by address, and the handshakes that are under way. Nobody is dialled.
 *
 * `GuestTable` stands where a staked host has the identity table: a peer is admitted from the end of its handshake until its last
 * connection closes, as an observer. `GuestGater` lets it in.
 */
import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import type { NodeId, NodeIdentity, PeerIdText } from '../../model/index.ts'
import type { Clock } from '../../util/index.ts'
import { canonicalIp } from '../identity-table/address.ts'
import type { HostTable } from '../host-table.ts'
import { TokenBucket } from '../token-bucket.ts'
import type { GuestMetrics, GuestRefusal } from './metrics.ts'

export interface GuestOptions {
  /** Observers at a time. Each holds some 200 KiB of buffers and up to a window of blocks on their way. */
  readonly maxObservers: number
  /** Of one address, so that one machine cannot take all places; several may sit behind one router. */
  readonly maxPerAddress: number
  /** Handshakes under way, in all and of one address: each costs a few ms of CPU before anything is known of the peer. */
  readonly maxPending: number
  readonly maxPendingPerAddress: number
  /** Handshakes begun per second, and at once. */
  readonly handshakesPerSecond: number
  readonly handshakeBurst: number
}

export const defaultGuestOptions: GuestOptions = Object.freeze({
  maxObservers: 64,
  maxPerAddress: 8,
  maxPending: 16,
  maxPendingPerAddress: 4,
  handshakesPerSecond: 8,
  handshakeBurst: 32
})

const NO_KEY = new Uint8Array(0)
const NO_ID = '0'.repeat(64) as NodeId

export class GuestTable implements HostTable {
  readonly all: readonly NodeIdentity[] = Object.freeze([])
  readonly size = 0
  readonly #guests = new Map<
    PeerIdText,
    { readonly identity: NodeIdentity; readonly address: string; connections: number }
  >()
  readonly #byAddress = new Map<string, number>()

  /** Different peers that are in. */
  get count(): number {
    return this.#guests.size
  }

  byPeerId(peer: PeerIdText): NodeIdentity | undefined {
    return this.#guests.get(peer)?.identity
  }

  isAdmitted(peer: PeerIdText): boolean {
    return this.#guests.has(peer)
  }

  /** Nothing here changes but by connections. */
  onChange(): () => void {
    return () => undefined
  }

  peersAt(address: string): number {
    return this.#byAddress.get(address) ?? 0
  }

  /** A connection of the peer has been let in. */
  enter(peer: PeerIdText, address: string): void {
    const known = this.#guests.get(peer)
    if (known !== undefined) {
      known.connections += 1
      return
    }
    const key = { networkPublicKey: NO_KEY, nodeId: NO_ID, weight: 0 }
    const identity: NodeIdentity = { ...key, peerId: peer, role: 'observer', host: address, port: 0, ejected: false }
    this.#guests.set(peer, { identity, address, connections: 1 })
    this.#byAddress.set(address, this.peersAt(address) + 1)
  }

  /** One of them has closed. */
  leave(peer: PeerIdText): void {
    const guest = this.#guests.get(peer)
    if (guest === undefined) return
    guest.connections -= 1
    if (guest.connections > 0) return
    this.#guests.delete(peer)
    const left = this.peersAt(guest.address) - 1
    if (left > 0) this.#byAddress.set(guest.address, left)
    else this.#byAddress.delete(guest.address)
  }
}

export interface GuestGaterComponents {
  readonly table: GuestTable
  readonly cooldowns: { remainingMs(peer: PeerIdText): number }
  readonly clock: Clock
  readonly metrics: GuestMetrics
}

export class GuestGater implements ConnectionGater {
  readonly #components: GuestGaterComponents
  readonly #options: GuestOptions
  readonly #rate: TokenBucket
  readonly #pending = new Map<string, number>()
  readonly #release = new WeakMap<MultiaddrConnection, () => void>()
  #pendingCount = 0

  constructor(components: GuestGaterComponents, options: GuestOptions) {
    this.#components = components
    this.#options = options
    const { handshakesPerSecond: perSecond, handshakeBurst: burst } = options
    this.#rate = new TokenBucket(components.clock, { perSecond, burst })
  }

  /** Handshakes that are under way. */
  get pending(): number {
    return this.#pendingCount
  }

  denyDialPeer = (): boolean => this.#refuse('outbound')

  denyInboundConnection = (socket: MultiaddrConnection): boolean => {
    const { table } = this.#components
    const { maxObservers, maxPending, maxPendingPerAddress, maxPerAddress } = this.#options
    const ip = addressOf(socket)
    const ofIp = this.#pending.get(ip) ?? 0
    if (table.count >= maxObservers) return this.#refuse('full')
    if (table.peersAt(ip) >= maxPerAddress) return this.#refuse('address-full')
    if (this.#pendingCount >= maxPending || ofIp >= maxPendingPerAddress) return this.#refuse('pending')
    if (!this.#rate.take()) return this.#refuse('rate')
    this.#pendingCount += 1
    this.#pending.set(ip, ofIp + 1)
    const once = (): void => {
      if (!this.#release.delete(socket)) return
      this.#pendingCount -= 1
      const left = (this.#pending.get(ip) ?? 1) - 1
      if (left > 0) this.#pending.set(ip, left)
      else this.#pending.delete(ip)
    }
    this.#release.set(socket, once)
    socket.addEventListener('close', once, { once: true })
    return false
  }

  denyInboundEncryptedConnection = (peerId: PeerId, socket: MultiaddrConnection): boolean => {
    const { table, cooldowns, metrics } = this.#components
    const peer = peerId.toString() as PeerIdText
    const ip = addressOf(socket)
    this.#release.get(socket)?.()
    if (cooldowns.remainingMs(peer) > 0) return this.#refuse('cooldown')
    // asked again: others have come in meanwhile
    if (!table.isAdmitted(peer)) {
      if (table.count >= this.#options.maxObservers) return this.#refuse('full')
      if (table.peersAt(ip) >= this.#options.maxPerAddress) return this.#refuse('address-full')
    }
    table.enter(peer, ip)
    metrics.observers.set(table.count)
    // closes once, whatever becomes of the connection
    socket.addEventListener(
      'close',
      () => {
        table.leave(peer)
        metrics.observers.set(table.count)
      },
      { once: true }
    )
    return false
  }

  /** What a peer says of its own addresses is not kept. */
  filterMultiaddrForPeer = (): boolean => false

  #refuse(reason: GuestRefusal): true {
    this.#components.metrics.refusals.inc({ reason })
    return true
  }
}

function addressOf(socket: MultiaddrConnection): string {
  const component = socket.remoteAddr.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')
  return canonicalIp(component?.value ?? '')
}
