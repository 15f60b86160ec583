import type { MemoryAccount } from '../../budget/account.ts'
import { type Blob, BlobCid, type DigestKey, type PeerIdText } from '../../model/index.ts'
import type { Clock, NextTurn, TimerWheel } from '../../util/index.ts'
import type { MessageSummary, WantEntry } from '../message/types.ts'
import type { ExchangeTotals } from '../metrics.ts'
import type { ServerOptions } from '../options.ts'
import { type Customer, type ServerLink, writesOf } from './customer.ts'
import { InFlight } from './in-flight.ts'
import { type LedgerWant, PeerLedger, type Served } from './ledger.ts'
import { Lookups } from './lookups.ts'
import { Scheduler, type Turn } from './scheduler.ts'
import { Wanters } from './wanters.ts'
import { BlockWriter, type Outgoing } from './writer.ts'

/** Where blobs are read. Errors are taken for absence: the asker goes elsewhere. */
export interface BlobSource {
  get(cid: BlobCid): Promise<Blob | undefined>
  getSize(cid: BlobCid): Promise<number | undefined>
}

export interface ServerComponents {
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly nextTurn: NextTurn
  readonly blocks: BlobSource
  readonly requestFilter: (peer: PeerIdText) => boolean
  readonly sendAccount: MemoryAccount
  readonly totals: ExchangeTotals
  /** A block was given to its peer's stream. */
  readonly onServed: (served: Served) => void
  readonly rttMs: (peer: PeerIdText) => number | undefined
  /** The peer breaks rules again and again: it is to be disconnected. */
  readonly penalise: (peer: PeerIdText, reason: string) => void
}

/**
 * The serving side: wants come in, blocks go out.
 *
 * A want that passes the filter stands in its peer's ledger; the store says whether the block is there. If it is, its
 * digest is queued; if not, DONT_HAVE goes out when it was asked for, and the want stays, to be answered the moment the
 * block appears. The scheduler names the next peer in turn; only then are bytes loaded, once for all who are being sent
 * them, and handed to that peer's stream.
 *
 * Invariants: queues hold digests; bytes held are in the send account; a peer that is gone leaves nothing behind.
 */
export class ExchangeServer {
  readonly #components: ServerComponents
  readonly #options: ServerOptions
  readonly #inFlight: InFlight
  readonly #scheduler: Scheduler
  readonly #peers = new Map<PeerIdText, Customer>()
  /** Those for whom a load or write may be under way. */
  readonly #serving = new Set<Customer>()
  readonly #wanters = new Wanters()
  readonly #lookups: Lookups<PeerLedger>
  #turnSet = false
  /** The send account was full; set until a block has left. */
  #full = false
  #stopped = false

  constructor(components: ServerComponents, options: ServerOptions) {
    this.#components = components
    this.#options = options
    this.#inFlight = new InFlight(components.sendAccount, () => {
      this.#full = false
      this.#turnSoon()
    })
    this.#scheduler = new Scheduler(options)
    this.#lookups = new Lookups({ concurrent: options.maxLookups, perOwner: options.maxWantsPerPeer })
  }

  get ledgerWants(): number {
    let sum = 0
    for (const { ledger } of this.#peers.values()) sum += ledger.wants.size
    return sum
  }

  get queuedBlocks(): number {
    let sum = 0
    for (const { ledger } of this.#peers.values()) sum += ledger.hotQueue.size + ledger.coldQueue.size
    return sum
  }

  /** Age of the block that has waited longest for its peer's stream, seconds; 0 when none waits. */
  get oldestQueuedSeconds(): number {
    return Math.max(0, ...[...this.#peers.values()].map(({ ledger }) => ledger.queuedSeconds()))
  }

  get bytesInFlight(): number {
    return this.#inFlight.bytes
  }

  /** What the send account was charged; the same as `bytesInFlight` at any time. */
  get reservedBytes(): number {
    return this.#components.sendAccount.reservedBytes
  }

  peers(): IterableIterator<PeerIdText> {
    return this.#peers.keys()
  }

  ledger(peer: PeerIdText): PeerLedger | undefined {
    return this.#peers.get(peer)?.ledger
  }

  /** How long blocks have been on their way to the peer without a break, or will be at its pace, ms: the longer of both. */
  busyMs(peer: PeerIdText): number {
    return this.#peers.get(peer)?.writer.busyMs ?? 0
  }

  get wantedDigests(): number {
    return this.#wanters.size
  }

  connected(peer: PeerIdText, link: ServerLink): void {
    const { clock, wheel } = this.#components
    const ledger = new PeerLedger(peer, clock, this.#options)
    const writer = new BlockWriter({ link, inFlight: this.#inFlight, clock, wheel }, this.#options, {
      stalled: () => this.#onStall(peer),
      yielded: () => this.#turnSoon()
    })
    this.#peers.set(peer, { ledger, writer, link })
    this.#scheduler.add(ledger)
  }

  disconnected(peer: PeerIdText): void {
    const served = this.#peers.get(peer)
    if (served === undefined) return
    const { ledger, writer } = served
    ledger.gone = true
    this.#peers.delete(peer)
    this.#serving.delete(served)
    this.#scheduler.remove(ledger)
    this.#lookups.forget(ledger)
    for (const key of [...ledger.wants.keys()]) this.#remove(ledger, key)
    writer.lost()
    this.#turnSoon()
  }

  message(peer: PeerIdText, message: MessageSummary): void {
    const served = this.#peers.get(peer)
    if (served === undefined) return
    const { totals } = this.#components
    totals.refusals.entries += message.refused
    if (message.entries.length === 0 && !message.full) return
    if (message.full) for (const key of [...served.ledger.wants.keys()]) this.#remove(served.ledger, key)
    // Cancels first: the order within a message means nothing, and a cancel is always good news.
    for (const entry of message.entries) if (entry.cancel) this.#remove(served.ledger, entry.key)
    if (!message.entries.some((entry) => !entry.cancel)) return
    const allowed = this.#components.requestFilter(peer)
    for (const entry of message.entries) {
      if (entry.cancel) continue
      if (allowed) this.#want(served, entry)
      else this.#refuse(served, entry, 'filter')
    }
  }

  /** The store answers for these now: whoever waits for them is served. */
  appeared(keys: readonly DigestKey[]): void {
    for (const key of keys) {
      for (const ledger of this.#wanters.of(key)) {
        const want = ledger.wants.get(key)
        if (want !== undefined && (want.state === 'waiting' || want.state === 'looking'))
          this.#onPresent(ledger, want, true)
      }
    }
  }

  /** The peer's data stream is open, or has taken bytes. */
  dataReady(peer: PeerIdText): void {
    const served = this.#peers.get(peer)
    if (served?.writer.settle() === true) served.ledger.writeStalls = 0
    this.#turnSoon()
  }

  /** The peer's data stream broke: what had not left is queued again. */
  dataLost(peer: PeerIdText): void {
    const served = this.#peers.get(peer)
    if (served === undefined) return
    const { ledger, writer } = served
    ledger.forgetSent()
    for (const { key, form } of writer.lost()) {
      if (ledger.wants.has(key) || ledger.wants.size >= this.#options.maxWantsPerPeer) continue
      const want = this.#register(ledger, {
        key,
        form,
        wantType: 'block',
        cancel: false,
        sendDontHave: true,
        ackQueued: false
      })
      ledger.enqueue(want, false)
    }
    this.#turnSoon()
  }

  stop(): void {
    this.#stopped = true
    this.#lookups.clear()
    for (const peer of [...this.#peers.keys()]) this.disconnected(peer)
  }

  #want(served: Customer, entry: WantEntry): void {
    const { ledger } = served
    if (!ledger.entryBucket.tryTake(1)) {
      this.#refuse(served, entry, 'rate')
      return
    }
    const known = ledger.wants.get(entry.key)
    if (known !== undefined) {
      this.#merge(served, known, entry)
      return
    }
    if (ledger.wants.size >= this.#options.maxWantsPerPeer) {
      this.#components.totals.refusals.ledger += 1
      const victim = ledger.unservable()
      if (victim === undefined) {
        if (entry.sendDontHave) this.#presence(served, entry, false)
        return
      }
      this.#remove(ledger, victim)
    }
    if (this.#lookups.full(ledger)) {
      this.#refuse(served, entry, 'lookups')
      return
    }
    this.#look(served, this.#register(ledger, entry))
  }

  /** The want is there already: what the peer said later holds, and it hears again what it may have missed. */
  #merge(served: Customer, known: LedgerWant, entry: WantEntry): void {
    if (entry.wantType === 'block') known.type = 'block'
    known.form = entry.form
    known.sendDontHave = entry.sendDontHave
    known.ackQueued = entry.ackQueued
    if (known.state === 'waiting' && !this.#lookups.full(served.ledger)) this.#look(served, known)
    else if (known.state === 'queued' && known.ackQueued) this.#presence(served, known, true)
  }

  #register(ledger: PeerLedger, entry: WantEntry): LedgerWant {
    const want = ledger.add(entry)
    this.#wanters.add(want.key, ledger)
    return want
  }

  #remove(ledger: PeerLedger, key: DigestKey): void {
    ledger.remove(key)
    this.#wanters.remove(key, ledger)
  }

  #refuse(served: Customer, entry: WantEntry, reason: 'filter' | 'rate' | 'lookups' | 'repeat'): void {
    this.#components.totals.refusals[reason] += 1
    if (entry.sendDontHave) this.#presence(served, entry, false)
  }

  #presence(served: Customer, want: Pick<LedgerWant, 'key' | 'form'>, have: boolean): void {
    this.#components.totals.presencesSent[have ? 'have' : 'dont-have'] += 1
    served.link.queuePresence(want.key, want.form, have)
  }

  #look(served: Customer, want: LedgerWant): void {
    const { ledger } = served
    ledger.begin(want, 'looking')
    this.#lookups.add(ledger, async () => {
      if (ledger.wants.get(want.key) !== want || want.state !== 'looking') return
      const size = await this.#components.blocks.getSize(BlobCid.fromKey(want.key)).catch(() => undefined)
      if (ledger.wants.get(want.key) !== want || want.state !== 'looking') return
      want.size = size
      if (size !== undefined) this.#onPresent(ledger, want, false)
      else {
        ledger.wait(want)
        if (want.sendDontHave) this.#presence(served, want, false)
      }
    })
  }

  /** The block is here: HAVE for a want-have, a place in the queue for a want-block. */
  #onPresent(ledger: PeerLedger, want: LedgerWant, hot: boolean): void {
    const served = this.#peers.get(ledger.peer)
    if (served === undefined) return
    if (want.type === 'have') {
      this.#presence(served, want, true)
      this.#remove(ledger, want.key)
      return
    }
    const repeat = ledger.repeat(want.key, want.size ?? 0, this.#components.rttMs(ledger.peer))
    if (repeat === 'crossing' || repeat === 'refused') {
      this.#components.totals.refusals.repeat += 1
      if (repeat === 'refused' && want.sendDontHave) this.#presence(served, want, false)
      this.#remove(ledger, want.key)
      return
    }
    const nobodyWaits = ledger.hotQueue.size + ledger.coldQueue.size === 0
    const free = !ledger.busy && served.writer.hasRoom
    ledger.enqueue(want, hot)
    // What leaves with the next message needs no word that it will.
    const leaves = free && (nobodyWaits || ledger.queuesAtMost(this.#options.packBytes))
    if (want.ackQueued && !leaves) this.#presence(served, want, true)
    this.#turnSoon()
  }

  #turnSoon(): void {
    if (this.#turnSet || this.#stopped) return
    this.#turnSet = true
    this.#components.nextTurn(() => {
      this.#turnSet = false
      this.#turn()
    })
  }

  /** Gives out turns until nobody is ready or enough is being written. */
  #turn(): void {
    if (this.#stopped || (this.#full && this.#inFlight.count > 0)) return
    this.#full = false
    while (this.#scheduler.due) {
      if (writesOf(this.#serving) >= this.#options.maxConcurrentWrites) return
      const turn = this.#scheduler.next((ledger) => this.#ready(ledger))
      const customer = turn === undefined ? undefined : this.#peers.get(turn.ledger.peer)
      if (turn === undefined || customer === undefined) return
      turn.ledger.busy = true
      this.#serving.add(customer)
      void this.#serve(turn).finally(() => {
        turn.ledger.busy = false
        this.#turnSoon()
      })
    }
  }

  #ready(ledger: PeerLedger): boolean {
    return !ledger.busy && this.#peers.get(ledger.peer)?.writer.hasRoom === true
  }

  async #serve(turn: Turn): Promise<void> {
    const { ledger } = turn
    const wants = turn.keys.map((key) => ledger.wants.get(key)).filter((want) => want !== undefined)
    for (const want of wants) ledger.begin(want, 'loading')
    const blobs = await Promise.all(wants.map((want) => this.#load(want.key)))
    const served = this.#peers.get(ledger.peer)
    if (served === undefined || this.#stopped) return
    const outgoing: Outgoing[] = []
    wants.forEach((want, index) => {
      const blob = blobs[index]
      // Cancelled, or asked for anew, while it was loading.
      if (ledger.wants.get(want.key) !== want || want.state !== 'loading') return
      if (blob === undefined) this.#onVanished(served, want)
      else if (!this.#inFlight.tryHold(blob) && this.#inFlight.count > 0) {
        this.#full = true
        ledger.enqueue(want, want.hot)
      } else outgoing.push({ blob, form: want.form })
    })
    if (outgoing.length > 0) this.#write(served, outgoing)
  }

  #write(served: Customer, outgoing: readonly Outgoing[]): void {
    const { ledger, writer } = served
    const { totals, onServed } = this.#components
    let fresh = 0
    for (const { blob } of outgoing) {
      const sent = ledger.noteSent(blob.cid.key)
      if (!sent.repeated) fresh += 1
      onServed(sent)
      this.#remove(ledger, blob.cid.key)
    }
    if (!writer.write(outgoing)) return
    ledger.entryBucket.give(fresh)
    for (const { blob } of outgoing) {
      totals.sentBlocks += 1
      totals.sentBytes += blob.bytes.length
    }
  }

  #load(key: DigestKey): Promise<Blob | undefined> {
    const held = this.#inFlight.peek(key)
    if (held !== undefined) return Promise.resolve(held)
    return this.#components.blocks.get(BlobCid.fromKey(key)).catch(() => undefined)
  }

  /** It was here a moment ago: deleted meanwhile, or unreadable. The want stays. */
  #onVanished(served: Customer, want: LedgerWant): void {
    served.ledger.wait(want)
    want.size = undefined
    if (want.sendDontHave) this.#presence(served, want, false)
  }

  #onStall(peer: PeerIdText): void {
    const served = this.#peers.get(peer)
    if (served === undefined) return
    const { ledger } = served
    this.#components.totals.refusals['write-stall'] += 1
    // What is under way goes with the queue; a reset alone would have it sent again.
    served.writer.lost()
    for (const key of [...ledger.wants.keys()]) this.#remove(ledger, key)
    served.link.resetData('the peer does not read')
    ledger.writeStalls += 1
    if (ledger.writeStalls >= this.#options.maxWriteStalls) this.#components.penalise(peer, 'does not read')
  }
}
