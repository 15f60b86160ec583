import type { DigestKey, PeerIdText } from '../../model/index.ts'
import type { Timer } from '../../util/index.ts'
import { type Answer, encodeControl, encodePresences, WINDING_DOWN } from '../message/encoder.ts'
import { CID_V0, CID_V1_RAW, type CidForm } from '../message/types.ts'
import type { StreamOptions } from '../options.ts'
import { MessageStreams, type Outbound } from './message-streams.ts'
import { type OutboundComponents, OutboundStream } from './outbound-stream.ts'

/** Most entries in one message (boxo handles no more) and most presences beside them. */
const ENTRIES_PER_MESSAGE = 1024
const NOTHING = new Uint8Array(0)

/** By form, then DONT_HAVE and HAVE: four objects for all that is ever said. */
const PRESENCES: Readonly<Record<CidForm, readonly [Answer, Answer]>> = {
  [CID_V0]: [
    { form: CID_V0, have: false },
    { form: CID_V0, have: true }
  ],
  [CID_V1_RAW]: [
    { form: CID_V1_RAW, have: false },
    { form: CID_V1_RAW, have: true }
  ]
}

export interface LinkEvents {
  /** These wants have left our side. */
  wantsLeft(keys: readonly DigestKey[]): void
  /** The control stream broke: wants that were on it may be lost. */
  controlLost(): void
  /** The data stream is open, or has taken bytes. */
  dataReady(): void
  /** The data stream broke: what was unsent, and perhaps what was on its way, is lost. */
  dataLost(): void
}

/**
 * What goes to one peer, on two streams, so that a want never waits behind a megabyte: control (wants, cancels,
 * presences) and data (blocks).
 *
 * Control words of one turn, whatever sockets it read, are sent as one message, cancels first. Invariant: for a digest there waits at most one of
 * cancel and want, the later; boxo collapses a message's entries of one CID, and a cancel would swallow its want.
 *
 * A peer that does not read what it is told loses the stream, and with it what waited: answers it never took, and cancels of
 * wants that it may serve for nothing.
 */
export class PeerLink {
  readonly peer: PeerIdText
  readonly #components: OutboundComponents
  readonly #options: StreamOptions
  readonly #events: LinkEvents
  readonly #control: Outbound
  readonly #data: Outbound
  readonly #cancels = new Map<DigestKey, Uint8Array>()
  readonly #wants = new Map<DigestKey, Uint8Array>()
  /** Not encoded before they leave: of those that wait there may be many. */
  readonly #presences = new Map<DigestKey, Answer>()
  #leaving: DigestKey[] = []
  /** Whether the peer is to know that this node winds down, and whether that still has to be said. */
  #windsDown = false
  #unsaid = false
  #stall: Timer | undefined
  #flushSet = false
  #flushedAt = Number.NEGATIVE_INFINITY
  #pause: Timer | undefined
  #closed = false

  constructor(
    components: OutboundComponents,
    peer: PeerIdText,
    use: { readonly options: StreamOptions; readonly events: LinkEvents }
  ) {
    this.peer = peer
    this.#components = components
    this.#options = use.options
    this.#events = use.events
    this.#control = new OutboundStream(components, {
      peer,
      options: use.options,
      events: { ready: () => this.#onControlReady(), lost: () => this.#onControlLost() }
    })
    const data = {
      peer,
      options: use.options,
      events: { ready: () => use.events.dataReady(), lost: () => use.events.dataLost() }
    }
    this.#data = use.options.perMessage ? new MessageStreams(components, data) : new OutboundStream(components, data)
  }

  /** Opens both streams now and keeps them open. */
  keepOpen(): void {
    this.#control.keepOpen()
    this.#data.keepOpen()
  }

  /** `entry` as the encoder made it. */
  queueWant(key: DigestKey, entry: Uint8Array): void {
    this.#cancels.delete(key)
    this.#wants.set(key, entry)
    this.#flushSoon()
  }

  queueCancel(key: DigestKey, entry: Uint8Array): void {
    this.#wants.delete(key)
    this.#components.totals.wantsCancelled += 1
    if (this.#hasRoom(this.#cancels, key)) this.#cancels.set(key, entry)
    this.#flushSoon()
  }

  queuePresence(key: DigestKey, form: CidForm, have: boolean): void {
    if (!this.#hasRoom(this.#presences, key)) return
    this.#presences.set(key, PRESENCES[form][have ? 1 : 0])
    this.#flushSoon()
  }

  /** Says once, and again when the stream broke, that this node fetches nothing new. */
  tellWindingDown(): void {
    this.#windsDown = true
    this.#unsaid = true
    this.#flushSoon()
  }

  #hasRoom(words: ReadonlyMap<DigestKey, unknown>, key: DigestKey): boolean {
    if (words.size < this.#options.maxPresences || words.has(key)) return true
    this.#components.totals.refusals.presences += 1
    return false
  }

  /** Opens the data stream if it is not open; `dataReady` tells when. */
  needData(): void {
    this.#data.need()
  }

  get dataOpen(): boolean {
    return this.#data.isOpen
  }

  get dataUnsentBytes(): number {
    return this.#data.unsentBytes
  }

  /** False when the data stream is not open: nothing was sent then. */
  sendData(parts: readonly Uint8Array[]): boolean {
    const sent = this.#data.send(parts)
    if (sent) this.#components.totals.messagesSent += 1
    return sent
  }

  resetData(reason: string): void {
    this.#data.reset(reason)
  }

  close(): void {
    this.#closed = true
    this.#pause?.cancel()
    this.#stall?.cancel()
    this.#cancels.clear()
    this.#wants.clear()
    this.#presences.clear()
    this.#leaving = []
    this.#control.close()
    this.#data.close()
  }

  #flushSoon(): void {
    if (this.#flushSet || this.#closed) return
    this.#flushSet = true
    this.#components.nextTurn(() => {
      this.#flushSet = false
      if (this.#options.perMessage) this.#sendPresences()
      this.#flush()
    })
  }

  /** Answers leave as messages of their own, at once. */
  #sendPresences(): void {
    while (this.#presences.size > 0) {
      if (!this.#data.send([encodeControl([], [this.#takePresences()])])) return
      this.#components.totals.messagesSent += 1
    }
  }

  /** False while words are held back because others have just left (`messagequeue.go`, `minSendMessageDelay`). */
  get #mayFlush(): boolean {
    const { wordPauseMs } = this.#options
    const { clock } = this.#components
    const left = this.#flushedAt + wordPauseMs - clock.now()
    if (wordPauseMs === 0 || left <= 0) return true
    this.#pause ??= clock.setTimer(left, () => {
      this.#pause = undefined
      this.#flush()
    })
    return false
  }

  get #waiting(): number {
    const words = this.#cancels.size + this.#wants.size + (this.#unsaid ? 1 : 0)
    return words + (this.#options.perMessage ? 0 : this.#presences.size)
  }

  #flush(): void {
    if (this.#waiting === 0 || this.#closed || !this.#mayFlush) return
    if (!this.#control.isOpen) {
      this.#control.need()
      return
    }
    while (this.#waiting > 0 && this.#control.unsentBytes <= this.#options.controlUnsentBytes) {
      const keys: DigestKey[] = []
      const entries = [...take(this.#cancels, ENTRIES_PER_MESSAGE)]
      if (this.#unsaid) entries.unshift(WINDING_DOWN)
      this.#unsaid = false
      entries.push(...take(this.#wants, ENTRIES_PER_MESSAGE - entries.length, keys))
      const presences = this.#options.perMessage ? NOTHING : this.#takePresences()
      // Remembered before sending: if the stream breaks now, `controlLost` has them asked again.
      this.#leaving.push(...keys)
      if (!this.#control.send([encodeControl(entries, [presences])])) return
      this.#components.totals.messagesSent += 1
      this.#flushedAt = this.#components.clock.now()
      this.#stall?.cancel()
      this.#stall = undefined
    }
    if (this.#waiting > 0) this.#watch()
    this.#reportLeft()
  }

  #takePresences(): Uint8Array {
    const presences = this.#presences
    const count = Math.min(presences.size, ENTRIES_PER_MESSAGE)
    const encoded = encodePresences(presences.entries().take(count), count)
    if (count === presences.size) presences.clear()
    else for (const key of presences.keys().take(count)) presences.delete(key)
    return encoded
  }

  /** Words wait behind words that do not leave: given up unless one more message can go meanwhile. */
  #watch(): void {
    this.#stall ??= this.#components.clock.setTimer(this.#options.controlStallMs, () => {
      this.#stall = undefined
      if (this.#waiting === 0 || !this.#control.isOpen) return
      this.#components.totals.refusals['write-stall'] += 1
      this.#cancels.clear()
      this.#presences.clear()
      this.#control.reset('the peer does not read')
    })
  }

  #onControlReady(): void {
    this.#reportLeft()
    this.#flush()
  }

  #reportLeft(): void {
    if (this.#leaving.length === 0 || !this.#control.isOpen || this.#control.unsentBytes > 0) return
    const keys = this.#leaving
    this.#leaving = []
    this.#events.wantsLeft(keys)
  }

  #onControlLost(): void {
    this.#leaving = []
    this.#unsaid = this.#windsDown
    this.#events.controlLost()
  }
}

/** Takes up to `most` values out of the map, oldest first. */
function take(map: Map<DigestKey, Uint8Array>, most: number, keys?: DigestKey[]): Uint8Array[] {
  const taken: Uint8Array[] = []
  for (const [key, value] of map) {
    if (taken.length >= most) break
    taken.push(value)
    keys?.push(key)
    map.delete(key)
  }
  return taken
}
