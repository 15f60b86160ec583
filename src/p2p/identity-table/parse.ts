/**
 * Reads identity tables. The file may come from anywhere, so it is bounded before it is parsed, and each entry is checked
 * whole: one wrong entry fails the table, named by its index and field, since a table that silently lacks a node would
 * refuse an honest peer for a reason that nobody sees.
 */
import { open, stat } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { isRole, type NodeIdentity, type PeerIdText, parseNodeId, type Role } from '../../model/index.ts'
import { codeOf, fromHex, messageOf, toHex } from '../../util/index.ts'
import { P2pError } from '../errors.ts'
import { P256_POINT_LENGTH, P256PublicKey } from '../identity-keys/p256.ts'
import { peerIdOf } from '../network-key.ts'
import { observerPeerId } from '../observer-key.ts'
import { formatHostPort, type HostPort, parseHostPort } from './address.ts'
import { arrayBatches } from './batches.ts'

/** Largest file, bytes: 10,000 of Flow's entries with their staking keys take some 7 MB. */
export const MAX_IDENTITY_FILE_BYTES = 8_388_608
/** Most entries: Flow has some 500 nodes; a full table takes a quarter of a second of CPU. */
const MAX_IDENTITIES = 10_000
/** Entries between two pauses for the event loop: some 2 ms. */
const ENTRIES_PER_TURN = 32

/** Flow's weight of a node that states none (flow-go `model/flow/identity.go`). */
const DEFAULT_WEIGHT = 100

/** An entry as `node-infos.pub.json` spells it. */
export interface IdentityEntry {
  readonly Role: string
  readonly Address: string
  readonly NodeID: string
  readonly NetworkPubKey: string
  /** Ours alone: where an access node serves observers, `host:port`. */
  readonly PublicAddress?: string
  readonly Weight?: number
  readonly Ejected?: boolean
}

/** Reads a file, letting the event loop turn in between. Throws P2pError `identity-table-invalid` or `identity-entry-invalid`. */
export async function readIdentities(path: string): Promise<NodeIdentity[]> {
  const invalid = (why: string, cause?: unknown): P2pError =>
    new P2pError('identity-table-invalid', `${path}: ${why}`, { cause, details: { path } })
  let text: string
  try {
    await using file = await open(path, 'r')
    const facts = await file.stat()
    if (!facts.isFile()) throw invalid('not a file')
    const { size } = facts
    if (size > MAX_IDENTITY_FILE_BYTES) throw invalid(`${size} bytes, more than ${MAX_IDENTITY_FILE_BYTES}`)
    text = await file.readFile('utf8')
  } catch (cause) {
    if (cause instanceof P2pError) throw cause
    throw invalid(codeOf(cause) === 'ENOENT' ? 'does not exist' : `cannot be read: ${messageOf(cause)}`, cause)
  }
  const steps = parseSteps(text, path)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    await setImmediate()
  }
}

/** Tells one state of a file from another without reading it: a new file, another length, another time of writing. */
export async function identityFileState(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true })
  return [dev, ino, size, mtimeNs].join(':')
}

/**
 * Reads the JSON text of a table; `source` stands in the errors. Throws P2pError `identity-table-invalid` or
 * `identity-entry-invalid` (details: `index`, `field`).
 */
export function parseIdentities(text: string, source = 'identities'): NodeIdentity[] {
  const steps = parseSteps(text, source)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

function* parseSteps(text: string, source: string): Generator<undefined, NodeIdentity[], undefined> {
  const invalid = (why: string, cause?: unknown): P2pError =>
    new P2pError('identity-table-invalid', `${source}: ${why}`, { cause })
  if (text.length > MAX_IDENTITY_FILE_BYTES) throw invalid(`more than ${MAX_IDENTITY_FILE_BYTES} bytes`)
  if (occurrences(text, '"NodeID"') > MAX_IDENTITIES) throw invalid(`more than ${MAX_IDENTITIES} entries`)
  const identities: NodeIdentity[] = []
  const unique = new Uniqueness(source)
  for (const batch of readable(arrayBatches(text), invalid)) {
    if (identities.length + batch.length > MAX_IDENTITIES) throw invalid(`more than ${MAX_IDENTITIES} entries`)
    for (const entry of batch) {
      const index = identities.length
      if (index % ENTRIES_PER_TURN === 0) yield
      const identity = new EntryReader(source, index, entry).read()
      unique.check(index, identity)
      identities.push(identity)
    }
    yield
  }
  return identities
}

/** The same batches, with the faults of the JSON as the table's. */
function* readable(
  batches: Iterator<readonly unknown[], void>,
  invalid: (why: string, cause?: unknown) => P2pError
): Generator<readonly unknown[], void, undefined> {
  for (;;) {
    let next: IteratorResult<readonly unknown[], void>
    try {
      next = batches.next()
    } catch (cause) {
      throw invalid(`not a JSON array of entries: ${messageOf(cause)}`, cause)
    }
    if (next.done === true) return
    yield next.value
  }
}

/** The entry that a node publishes of itself; `init` prints it. */
export function identityEntryFor(identity: Omit<NodeIdentity, 'peerId'>): IdentityEntry {
  return {
    Role: identity.role,
    Address: formatHostPort(identity),
    NodeID: identity.nodeId,
    NetworkPubKey: toHex(identity.networkPublicKey),
    ...(identity.publicAddress === undefined ? {} : { PublicAddress: formatHostPort(identity.publicAddress) }),
    Weight: identity.weight,
    Ejected: identity.ejected
  }
}

/** How often a text stands there, counted no further than the bound needs. */
function occurrences(text: string, part: string): number {
  let count = 0
  for (let at = text.indexOf(part); at >= 0 && count <= MAX_IDENTITIES; at = text.indexOf(part, at + part.length))
    count += 1
  return count
}

/** Refuses what an entry before it has; asked for each as it is read, since ten thousand at once take 20 ms. */
class Uniqueness {
  readonly #source: string
  readonly #seen = { NodeID: new Map<string, number>(), NetworkPubKey: new Map<string, number>() }

  constructor(source: string) {
    this.#source = source
  }

  check(index: number, { nodeId, peerId }: NodeIdentity): void {
    this.#note(index, 'NodeID', nodeId)
    this.#note(index, 'NetworkPubKey', peerId)
  }

  #note(index: number, field: 'NodeID' | 'NetworkPubKey', value: string): void {
    const first = this.#seen[field].get(value)
    if (first !== undefined) throw entryError(this.#source, index, { field, why: `the same as entry ${first}'s` })
    this.#seen[field].set(value, index)
  }
}

function entryError(
  source: string,
  index: number,
  fault: { readonly field: string; readonly why: string; readonly cause?: unknown }
): P2pError {
  const message = `${source}: entry ${index}: ${fault.field}: ${fault.why}`
  return new P2pError('identity-entry-invalid', message, { cause: fault.cause, details: { index, field: fault.field } })
}

class EntryReader {
  readonly #source: string
  readonly #index: number
  readonly #entry: Readonly<Record<string, unknown>>

  constructor(source: string, index: number, entry: unknown) {
    this.#source = source
    this.#index = index
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
      throw entryError(source, index, { field: '(entry)', why: 'not a JSON object' })
    }
    this.#entry = entry as Record<string, unknown>
  }

  read(): NodeIdentity {
    const role = this.#text('Role').toLowerCase()
    if (!isRole(role)) throw this.#error('Role', `no role of a staked network: ${excerpt(role)}`)
    const address = parseHostPort(this.#text('Address'))
    if (address === undefined) throw this.#error('Address', 'not host:port with a port from 1 to 65535')
    const nodeId = parseNodeId(this.#text('NodeID'))
    if (nodeId === undefined) throw this.#error('NodeID', 'not 64 hex digits')
    const key = this.#key(role)
    return {
      nodeId,
      role,
      ...address,
      networkPublicKey: key.point,
      peerId: key.peerId,
      ...this.#publicAddress(),
      weight: this.#weight(),
      ejected: this.#ejected()
    }
  }

  #publicAddress(): { readonly publicAddress?: HostPort } {
    if (this.#entry.PublicAddress === undefined) return {}
    const publicAddress = parseHostPort(this.#text('PublicAddress'))
    if (publicAddress === undefined) throw this.#error('PublicAddress', 'not host:port with a port from 1 to 65535')
    return { publicAddress }
  }

  /** P-256, as every staked node has it; an observer has a secp256k1 key. */
  #key(role: Role): { readonly point: Uint8Array; readonly peerId: PeerIdText } {
    const text = this.#text('NetworkPubKey')
    const point = fromHex(text, P256_POINT_LENGTH)
    if (point === undefined) {
      const hint = /^04[0-9a-f]{128}$/i.test(text) ? ' (leave out the leading 04)' : ''
      throw this.#error('NetworkPubKey', `not 128 hex digits${hint}`)
    }
    const observer = role === 'observer' ? observerPeerId(point) : undefined
    if (observer !== undefined) return { point, peerId: observer }
    try {
      const key = P256PublicKey.fromPoint(point)
      return { point: key.point, peerId: peerIdOf(key) }
    } catch (cause) {
      throw this.#error('NetworkPubKey', messageOf(cause), cause)
    }
  }

  #weight(): number {
    const value = this.#entry.Weight ?? DEFAULT_WEIGHT
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
    throw this.#error('Weight', 'not a number of 0 or more')
  }

  #ejected(): boolean {
    const value = this.#entry.Ejected ?? false
    if (typeof value === 'boolean') return value
    throw this.#error('Ejected', 'neither true nor false')
  }

  #text(field: string): string {
    const value = this.#entry[field]
    if (value === undefined) throw this.#error(field, 'missing')
    if (typeof value !== 'string') throw this.#error(field, 'not a string')
    return value
  }

  #error(field: string, why: string, cause?: unknown): P2pError {
    return entryError(this.#source, this.#index, { field, why, cause })
  }
}

const excerpt = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
