import type { DigestKey, PeerIdText } from '../../model/index.ts'
import { encodeControl } from '../message/encoder.ts'
import type { StreamOptions } from '../options.ts'
import { type OutboundComponents, OutboundStream } from './outbound-stream.ts'

/** Most entries in one message (boxo handles no more) and most presences beside them. */
const ENTRIES_PER_MESSAGE = 1024

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
 */
export class PeerLink {
  readonly peer: PeerIdText
  readonly #components: OutboundComponents
  readonly #options: StreamOptions
  readonly #events: LinkEvents
  readonly #control: OutboundStream
  readonly #data: OutboundStream
  readonly #cancels = new Map<DigestKey, Uint8Array>()
  readonly #wants = new Map<DigestKey, Uint8Array>()
  readonly #presences = new Map<DigestKey, Uint8Array>()
  #leaving: DigestKey[] = []
  #flushSet = false
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
    this.#control = new OutboundStream(components, peer, {
      options: use.options,
      events: { ready: () => this.#onControlReady(), lost: () => this.#onControlLost() }
    })
    this.#data = new OutboundStream(components, peer, {
      options: use.options,
      events: { ready: () => use.events.dataReady(), lost: () => use.events.dataLost() }
    })
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
    this.#cancels.set(key, entry)
    this.#components.totals.wantsCancelled += 1
    this.#flushSoon()
  }

  queuePresence(key: DigestKey, presence: Uint8Array): void {
    if (this.#presences.size >= this.#options.maxPresences && !this.#presences.has(key)) {
      this.#components.totals.refusals.presences += 1
      return
    }
    this.#presences.set(key, presence)
    this.#flushSoon()
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
      this.#flush()
    })
  }

  get #waiting(): number {
    return this.#cancels.size + this.#wants.size + this.#presences.size
  }

  #flush(): void {
    if (this.#waiting === 0 || this.#closed) return
    if (!this.#control.isOpen) {
      this.#control.need()
      return
    }
    while (this.#waiting > 0 && this.#control.unsentBytes <= this.#options.controlUnsentBytes) {
      const keys: DigestKey[] = []
      const entries = [...take(this.#cancels, ENTRIES_PER_MESSAGE)]
      entries.push(...take(this.#wants, ENTRIES_PER_MESSAGE - entries.length, keys))
      const presences = take(this.#presences, ENTRIES_PER_MESSAGE)
      // Remembered before sending: if the stream breaks now, `controlLost` has them asked again.
      this.#leaving.push(...keys)
      if (!this.#control.send([encodeControl(entries, presences)])) return
      this.#components.totals.messagesSent += 1
    }
    this.#reportLeft()
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
