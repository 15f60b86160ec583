import { hash } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
import type { DigestKey, PeerIdText } from '../../model/index.ts'
import type { PeerDirectory } from './peer-choice.ts'

const SEED = Buffer.from('sealsync/1', 'latin1')

export interface TreePath {
  /** The parent, its parent, …, the root, then the other roots: they get the blob before this node, and will push it. */
  readonly above: readonly PeerIdText[]
  /** The other nodes: one of them may hold the blob when everything above is gone. */
  readonly others: readonly PeerIdText[]
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
 * node (x − roots × k) / k. A parent always ranks before its child, so no two nodes wait for each other.
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

  /** Whom this node asks for a blob, in order. */
  path(key: DigestKey, directory: PeerDirectory): TreePath {
    this.#use(directory)
    const access = this.#rank(key, this.#access)
    const roots = this.#rank(key, this.#execution).filter((root) => root !== this.#self)
    if (this.#execution.some((node) => node.peer === this.#self)) {
      return { above: roots, others: access }
    }
    const position = this.#position(key, access)
    const path = this.#ancestors(position.at, access, roots.length)
    for (let turn = 0; turn < roots.length; turn += 1) {
      const root = roots[(position.at + turn) % roots.length]
      if (root !== undefined) path.push(root)
    }
    const inPath = new Set(path)
    return { above: path, others: access.filter((peer) => peer !== this.#self && !inPath.has(peer)) }
  }

  #ancestors(from: number, access: readonly PeerIdText[], roots: number): PeerIdText[] {
    const top = Math.max(1, roots) * this.#width
    const path: PeerIdText[] = []
    let at = from
    while (at >= top) {
      at = Math.floor((at - top) / this.#width)
      const peer = access[at]
      if (peer !== undefined) path.push(peer)
    }
    return path
  }

  /** This node's place; one that is not in the table takes the place it would have, below those it pushes aside. */
  #position(key: DigestKey, access: readonly PeerIdText[]): { at: number } {
    const at = access.indexOf(this.#self)
    if (at >= 0) return { at }
    const own = rankOf(key, nodeOf(this.#self))
    const before = this.#access.filter((node) => compare(rankOf(key, node), own) < 0).length
    return { at: before }
  }

  #rank(key: DigestKey, nodes: readonly Node[]): PeerIdText[] {
    return nodes
      .map((node) => rankOf(key, node))
      .sort(compare)
      .map((ranked) => ranked.peer)
  }

  #use(directory: PeerDirectory): void {
    if (this.#directory === directory) return
    this.#directory = directory
    this.#access = directory.access.map(nodeOf)
    this.#execution = directory.execution.map(nodeOf)
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

const compare = (a: Ranked, b: Ranked): number =>
  a.high - b.high || a.low - b.low || (a.peer < b.peer ? -1 : a.peer > b.peer ? 1 : 0)
