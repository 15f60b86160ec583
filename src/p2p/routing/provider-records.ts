import { base32 } from 'multiformats/bases/base32'
import { BlobCid } from '../../model/index.ts'
import { type Clock, readVarint, type Timer, varintLength, writeVarint } from '../../util/index.ts'
import type { DhtMetrics } from './metrics.ts'
import type { DhtOptions } from './options.ts'
import type { RecordPlace, RecordTable } from './record-table.ts'

/** kad-dht's keys: `/dht/provider/BLOB/PEER`. */
export const DATASTORE_PREFIX = '/dht'
const PROVIDERS = `${DATASTORE_PREFIX}/provider`

/** The window in which additions of one key count once. */
const KEY_WINDOW_MS = 1_000
/** Different keys remembered within a window; beyond it each addition counts as another key. */
const MAX_WINDOW_KEYS = 65_536

/** A key of the datastore, of which only its text matters. */
interface DatastoreKey {
  toString(): string
}

export interface ProviderRecordsComponents {
  readonly table: RecordTable
  /** This node's peer id as text. */
  readonly self: string
  /** Whether this node has the blob. */
  readonly holds: (cid: BlobCid) => Promise<boolean>
  readonly clock: Clock
  readonly metrics: DhtMetrics
}

type RecordOptions = Pick<
  DhtOptions,
  'maxRecords' | 'recordLifetimeMs' | 'reprovideThresholdMs' | 'reprovideQueue' | 'operationTimeoutMs'
>

interface Round {
  readonly since: number
  /** Own records that were due when it began and have not been written again. */
  due: number
  walked: boolean
}

/** A walk that waits for room in kad-dht's queue. */
interface Waiting {
  go(): void
}

/**
 * kad-dht's datastore, cut down to what the staked network's DHT keeps: provider records, counted and bounded. Anything else
 * a peer wants to have stored is refused.
 *
 * A walk over all records is how kad-dht begins a round of providing again; what of the own records is due then is the
 * round's backlog, and each own record that is written again takes one from it. The walk hands out no more than kad-dht is
 * to have waiting: for each that comes it looks at all of them (`reprovider.ts`, `queue.find`), and wakes every one that
 * its own bound holds back at once. With 40,000 due at a time nodes stood still (docs/benchmarks.md, Comparison).
 */
export class ProviderRecords {
  readonly #components: ProviderRecordsComponents
  readonly #options: RecordOptions
  readonly #windowKeys = new Set<string>()
  #window: Timer | undefined
  #own = 0
  #others = 0
  #bytes = 0
  #round: Round | undefined
  /** Blobs that kad-dht was given to provide again and has not begun with. */
  readonly #handed = new Set<string>()
  #waiting: Waiting | undefined
  #stopped = false

  constructor(components: ProviderRecordsComponents, options: RecordOptions) {
    this.#components = components
    this.#options = options
  }

  get ownRecords(): number {
    return this.#own
  }

  get otherRecords(): number {
    return this.#others
  }

  get bytes(): number {
    return this.#bytes
  }

  get backlog(): number {
    return this.#round?.due ?? 0
  }

  /** Counts what an earlier run left, and notes each of these blobs as held here: what is not known yet is due in the next round. */
  async open(blobs: AsyncIterable<BlobCid>): Promise<void> {
    for await (const [place, value] of this.#components.table.entries()) this.#count(place, value, 1)
    for await (const cid of blobs) await this.#seed(base32.baseEncode(cid.toBytes()))
  }

  stop(): void {
    this.#stopped = true
    this.#window?.cancel()
    this.#waiting?.go()
  }

  async #seed(blob: string): Promise<void> {
    const place = { blob, peer: this.#components.self }
    if ((await this.#components.table.get(place)) === undefined) await this.#write(place, encodeTime(0))
  }

  async has(key: DatastoreKey): Promise<boolean> {
    const place = placeOf(key)
    return place !== undefined && (await this.#components.table.get(place)) !== undefined
  }

  async get(key: DatastoreKey): Promise<Uint8Array> {
    const place = placeOf(key)
    const value = place === undefined ? undefined : await this.#components.table.get(place)
    if (value === undefined) throw Object.assign(new Error(`no record ${key.toString()}`), { name: 'NotFoundError' })
    return value
  }

  async put(key: DatastoreKey, value: Uint8Array): Promise<DatastoreKey> {
    const place = placeOf(key)
    if (place === undefined) throw new Error('only provider records are kept')
    if (place.peer !== this.#components.self) this.#onAddition(place)
    else this.#begun(place.blob)
    await this.#write(place, value)
    if (place.peer === this.#components.self) await this.#assertHeld(place)
    return key
  }

  /**
   * A round of providing again may reach a blob that was deleted meanwhile. Looked at after the record is written: whoever deletes a blob
   * takes its record away afterwards, so that one of the two sees the other. The error ends the providing.
   */
  async #assertHeld(place: RecordPlace): Promise<void> {
    const cid = BlobCid.fromBytes(base32.baseDecode(place.blob))
    if (cid !== undefined && (await this.#components.holds(cid))) return
    await this.#remove(place)
    throw new Error('the blob is not here any more')
  }

  async delete(key: DatastoreKey): Promise<void> {
    const place = placeOf(key)
    if (place !== undefined) await this.#remove(place)
  }

  async #remove(place: RecordPlace): Promise<Uint8Array | undefined> {
    const before = await this.#components.table.replace(place, undefined)
    if (before !== undefined) this.#count(place, before, -1)
    return before
  }

  /** This node has these no more: they are not provided again, and the backlog is not theirs. */
  async withdraw(cids: readonly BlobCid[]): Promise<void> {
    for (const cid of cids) {
      const place = { blob: base32.baseEncode(cid.toBytes()), peer: this.#components.self }
      this.#noLongerDue(await this.#remove(place))
    }
  }

  async *query(query: { readonly prefix?: string }): AsyncGenerator<{ key: DatastoreKey; value: Uint8Array }> {
    const prefix = query.prefix ?? PROVIDERS
    if (!prefix.startsWith(PROVIDERS)) return
    const blob = prefix.slice(PROVIDERS.length + 1).replace(/\/$/, '')
    const round = blob === '' ? await this.#beginRound() : undefined
    for await (const [place, value] of this.#components.table.entries(blob === '' ? undefined : blob)) {
      if (round !== undefined && this.#isOwnDue(place, value, round)) await this.#handOut(place.blob)
      if (this.#stopped) return
      const text = `${PROVIDERS}/${place.blob}/${place.peer}`
      yield { key: { toString: () => text }, value }
    }
    if (round === undefined) return
    round.walked = true
    this.#endRound(round)
  }

  async #beginRound(): Promise<Round> {
    const { clock, metrics, table } = this.#components
    if (this.backlog > 0) metrics.rounds.inc({ event: 'overtaken' })
    metrics.rounds.inc({ event: 'begun' })
    const round = { since: clock.wallNow(), due: 0, walked: false }
    this.#round = round
    for await (const [place, value] of table.entries()) if (this.#isOwnDue(place, value, round)) round.due += 1
    return round
  }

  /** Waits for a place among those that kad-dht has waiting; one that it seems to have lost is given up after a time. */
  async #handOut(blob: string): Promise<void> {
    const { reprovideQueue, operationTimeoutMs } = this.#options
    while (this.#handed.size >= reprovideQueue && !this.#stopped) {
      await new Promise<void>((resolve) => {
        const giveUp = (): void => {
          const [oldest] = this.#handed
          if (oldest !== undefined) this.#handed.delete(oldest)
          resolve()
        }
        const timer = this.#components.clock.setTimer(operationTimeoutMs, giveUp, { background: true })
        const go = (): void => {
          timer.cancel()
          resolve()
        }
        this.#waiting = { go }
      })
    }
    this.#waiting = undefined
    this.#handed.add(blob)
  }

  /** kad-dht provides the blob: another may wait in its place. */
  #begun(blob: string): void {
    if (this.#handed.delete(blob)) this.#waiting?.go()
  }

  #isOwnDue(place: RecordPlace, value: Uint8Array, round: Round): boolean {
    return place.peer === this.#components.self && this.#isDue(value, round.since)
  }

  #endRound(round: Round): void {
    if (round === this.#round && round.walked && round.due === 0)
      this.#components.metrics.rounds.inc({ event: 'ended' })
  }

  #isDue(value: Uint8Array, at: number): boolean {
    const { recordLifetimeMs, reprovideThresholdMs } = this.#options
    return decodeTime(value) + recordLifetimeMs - at < reprovideThresholdMs
  }

  async #write(place: RecordPlace, value: Uint8Array): Promise<void> {
    const { table, metrics, self } = this.#components
    const full = this.#own + this.#others >= this.#options.maxRecords
    if (full && (await table.get(place)) === undefined) {
      metrics.refusedAdditions.inc()
      throw new Error('the store of provider records is full')
    }
    const before = await table.replace(place, value)
    if (before !== undefined) this.#count(place, before, -1)
    this.#count(place, value, 1)
    if (place.peer === self && decodeTime(value) > 0) this.#onOwn(before)
  }

  #onOwn(before: Uint8Array | undefined): void {
    this.#components.metrics.provides.inc({ kind: before === undefined ? 'new' : 'again' })
    this.#noLongerDue(before)
  }

  /** An own record of the round was written anew, or is gone. */
  #noLongerDue(before: Uint8Array | undefined): void {
    const round = this.#round
    if (before === undefined || round === undefined || round.due === 0 || !this.#isDue(before, round.since)) return
    round.due -= 1
    this.#endRound(round)
  }

  #onAddition({ blob }: RecordPlace): void {
    const { clock, metrics } = this.#components
    metrics.additions.inc()
    this.#window ??= clock.setTimer(
      KEY_WINDOW_MS,
      () => {
        this.#window = undefined
        this.#windowKeys.clear()
      },
      { background: true }
    )
    if (this.#windowKeys.has(blob)) return
    metrics.additionKeys.inc()
    if (this.#windowKeys.size < MAX_WINDOW_KEYS) this.#windowKeys.add(blob)
  }

  #count({ blob, peer }: RecordPlace, value: Uint8Array, sign: 1 | -1): void {
    if (peer === this.#components.self) this.#own += sign
    else this.#others += sign
    this.#bytes += sign * (blob.length + peer.length + value.length)
  }
}

/** `undefined` for a key that is no provider record's. */
function placeOf(key: DatastoreKey): RecordPlace | undefined {
  const [blob, peer, more] = key
    .toString()
    .slice(PROVIDERS.length + 1)
    .split('/')
  if (!key.toString().startsWith(`${PROVIDERS}/`) || blob === undefined || peer === undefined || more !== undefined)
    return undefined
  return { blob, peer }
}

/** A record's value is the Unix time in ms at which it was made, as a varint. */
function decodeTime(value: Uint8Array): number {
  return readVarint(value, 0)?.value ?? 0
}

function encodeTime(ms: number): Uint8Array {
  const bytes = new Uint8Array(varintLength(ms))
  writeVarint(bytes, 0, ms)
  return bytes
}
