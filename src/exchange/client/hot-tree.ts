import { hash } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
import type { DigestKey, PeerIdText } from '../../model/index.ts'
import type { PeerDirectory } from './peer-choice.ts'

const SEED = Buffer.from('sealsync/1', 'latin1')

/** Where this node stands in a blob's order; the same for every node but for who it is itself. */
export interface TreePlace {
  /** Execution nodes, this one excepted, in order. */
  readonly roots: readonly PeerIdText[]
  /** The nodes between the roots and this one, in order; none for an execution node. */
  readonly before: readonly PeerIdText[]
  readonly after: readonly PeerIdText[]
}

interface Node {
  readonly peer: PeerIdText
  /** `SEED`, room for a digest, the peer id's bytes. */
  readonly input: Buffer
}

interface Ranked {
  readonly peer: PeerIdText
  readonly high: number
  readonly low: number
}

/**
 * The per-CID distribution tree that every node computes alike from the identity table, so that nobody has to announce
 * who holds a blob: access nodes in the order of the first 8 bytes of sha-256(`sealsync/1` ‖ digest ‖ peer id bytes),
 * execution nodes above them as roots. The first roots × k nodes hang off the roots in turn; node x below that hangs off
 * node (x − roots × k) / k.
 *
 * Places are counted among the nodes that the asker can use just now, not among all of the table. The children of a node
 * that is gone then spread over its level instead of climbing together to the next, so that with one node in ten silent
 * no root uploads more than k copies (climbing: 5.3 in the simulation of 50 and 200 nodes). Views differ for a while when
 * a node goes; that costs balance and never a deadlock, because whoever is asked ranks before the asker in an order that
 * all share.
 */
export class HotTree {
  readonly #self: PeerIdText
  readonly #width: number
  #directory: PeerDirectory | undefined
  #access: Node[] = []
  #execution: Node[] = []

  constructor(self: PeerIdText, width: number) {
    this.#self = self
    this.#width = width
  }

  place(key: DigestKey, directory: PeerDirectory): TreePlace {
    this.#use(directory)
    const roots = ranked(key, this.#execution).map(({ peer }) => peer)
    const access = ranked(key, this.#access)
    const peers = access.map(({ peer }) => peer)
    if (directory.execution.includes(this.#self)) return { roots, before: [], after: peers }
    // A node that is not in the table takes the place it would have.
    const own = rankOf(key, nodeOf(this.#self))
    const after = access.findIndex((other) => compare(other, own) > 0)
    const at = after < 0 ? peers.length : after
    return { roots, before: peers.slice(0, at), after: peers.slice(at) }
  }

  /** The parent, its parent, …, the root, then the other roots, of those that are usable: all get the blob before this node. */
  above(place: TreePlace, usable: (peer: PeerIdText) => boolean): PeerIdText[] {
    const roots = place.roots.filter(usable)
    const before = place.before.filter(usable)
    const top = Math.max(1, roots.length) * this.#width
    const path: PeerIdText[] = []
    let at = before.length
    while (at >= top) {
      at = Math.floor((at - top) / this.#width)
      const peer = before[at]
      if (peer !== undefined) path.push(peer)
    }
    for (let turn = 0; turn < roots.length; turn += 1) {
      const root = roots[(at + turn) % roots.length]
      if (root !== undefined) path.push(root)
    }
    return path
  }

  #use(directory: PeerDirectory): void {
    if (this.#directory === directory) return
    this.#directory = directory
    this.#access = this.#others(directory.access)
    this.#execution = this.#others(directory.execution)
  }

  #others(peers: readonly PeerIdText[]): Node[] {
    return peers.filter((peer) => peer !== this.#self).map(nodeOf)
  }
}

function nodeOf(peer: PeerIdText): Node {
  const id = base58btc.baseDecode(peer)
  return { peer, input: Buffer.concat([SEED, Buffer.alloc(32), id]) }
}

function rankOf(key: DigestKey, node: Node): Ranked {
  node.input.write(key, SEED.length, 'latin1')
  const digest = hash('sha256', node.input, 'buffer')
  return { peer: node.peer, high: digest.readUInt32BE(0), low: digest.readUInt32BE(4) }
}

const ranked = (key: DigestKey, nodes: readonly Node[]): Ranked[] =>
  nodes.map((node) => rankOf(key, node)).sort(compare)

const compare = (a: Ranked, b: Ranked): number =>
  a.high - b.high || a.low - b.low || (a.peer < b.peer ? -1 : a.peer > b.peer ? 1 : 0)
