/**
 * The staked set as the node knows it: who may connect, who may ask, whose announcements count.
 *
 * Invariants: the entries are checked (`parse.ts`), node ids and peer ids are unique, an entry never changes; `replace`
 * exchanges all at once, then tells the listeners, so nobody sees a half-made table.
 */
import type { NodeId, NodeIdentity, PeerIdText } from '../../model/index.ts'
import { P256PublicKey } from '../identity-keys/p256.ts'

/** What other rooms ask of the table. */
export interface StakedSet {
  byPeerId(peer: PeerIdText): NodeIdentity | undefined
  /** Staked and not ejected. */
  isAdmitted(peer: PeerIdText): boolean
  /** Admitted, and of a role that may ask for blobs: execution or access (flow-go `network/p2p/blob/blob_service.go`). */
  mayRequest(peer: PeerIdText): boolean
}

export interface TableChange {
  /** Admitted now and not before. */
  readonly admitted: readonly NodeIdentity[]
  /** Admitted before and not now: gone, or ejected. */
  readonly removed: readonly NodeIdentity[]
  /** Admitted before and now, at another address or in another role, as they are now. */
  readonly moved: readonly NodeIdentity[]
}

interface Snapshot {
  readonly all: readonly NodeIdentity[]
  readonly byPeerId: ReadonlyMap<PeerIdText, NodeIdentity>
  readonly byNodeId: ReadonlyMap<NodeId, NodeIdentity>
  readonly execution: readonly NodeIdentity[]
  readonly access: readonly NodeIdentity[]
}

export class IdentityTable implements StakedSet {
  #snapshot: Snapshot
  #publicKeys = new Map<PeerIdText, P256PublicKey>()
  readonly #listeners = new Set<(change: TableChange) => void>()

  constructor(identities: readonly NodeIdentity[]) {
    this.#snapshot = snapshotOf(identities)
  }

  get size(): number {
    return this.#snapshot.all.length
  }

  get all(): readonly NodeIdentity[] {
    return this.#snapshot.all
  }

  /** Execution nodes that are not ejected. */
  get executionPeers(): readonly NodeIdentity[] {
    return this.#snapshot.execution
  }

  /** Access nodes that are not ejected. */
  get accessPeers(): readonly NodeIdentity[] {
    return this.#snapshot.access
  }

  byPeerId(peer: PeerIdText): NodeIdentity | undefined {
    return this.#snapshot.byPeerId.get(peer)
  }

  byNodeId(nodeId: NodeId): NodeIdentity | undefined {
    return this.#snapshot.byNodeId.get(nodeId)
  }

  isAdmitted(peer: PeerIdText): boolean {
    return this.byPeerId(peer)?.ejected === false
  }

  mayRequest(peer: PeerIdText): boolean {
    const identity = this.byPeerId(peer)
    return identity?.ejected === false && (identity.role === 'execution' || identity.role === 'access')
  }

  /** Admitted and an execution node: the only peers whose announcements count. */
  mayAnnounce(peer: PeerIdText): boolean {
    const identity = this.byPeerId(peer)
    return identity?.ejected === false && identity.role === 'execution'
  }

  /** Each execution node signs for itself. */
  signersOf(peer: PeerIdText): readonly PeerIdText[] {
    return [peer]
  }

  /** The network key of a peer, made once: parsing a point costs as much as checking a signature. */
  publicKeyOf(peer: PeerIdText): P256PublicKey | undefined {
    const known = this.#publicKeys.get(peer)
    if (known !== undefined) return known
    const identity = this.byPeerId(peer)
    if (identity === undefined) return undefined
    const key = P256PublicKey.fromPoint(identity.networkPublicKey)
    this.#publicKeys.set(peer, key)
    return key
  }

  /** Takes the other list in place of this one, then calls the listeners with what that changed. */
  replace(identities: readonly NodeIdentity[]): void {
    const before = this.#snapshot
    const after = snapshotOf(identities)
    this.#snapshot = after
    this.#publicKeys = new Map()
    const change: TableChange = {
      admitted: after.all.filter(
        (identity) => !identity.ejected && before.byPeerId.get(identity.peerId)?.ejected !== false
      ),
      removed: before.all.filter(
        (identity) => !identity.ejected && after.byPeerId.get(identity.peerId)?.ejected !== false
      ),
      moved: after.all.filter((identity) => {
        const old = before.byPeerId.get(identity.peerId)
        if (identity.ejected || old?.ejected !== false) return false
        return (
          identity.host !== old.host ||
          identity.port !== old.port ||
          identity.role !== old.role ||
          identity.publicAddress?.host !== old.publicAddress?.host ||
          identity.publicAddress?.port !== old.publicAddress?.port
        )
      })
    }
    for (const listener of [...this.#listeners]) listener(change)
  }

  /** Gives the function that ends it. Also called when nothing changed that stands in the lists. */
  onChange(listener: (change: TableChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

function snapshotOf(identities: readonly NodeIdentity[]): Snapshot {
  const all = Object.freeze([...identities])
  const staked = (role: string): readonly NodeIdentity[] =>
    Object.freeze(all.filter((identity) => identity.role === role && !identity.ejected))
  return {
    all,
    byPeerId: new Map(all.map((identity) => [identity.peerId, identity])),
    byNodeId: new Map(all.map((identity) => [identity.nodeId, identity])),
    execution: staked('execution'),
    access: staked('access')
  }
}
