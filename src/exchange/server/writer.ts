import type { Clock, TimerWheel, WheelTimer } from '../../util/index.ts'
import type { Blob, DigestKey } from '../../model/index.ts'
import { encodeBlocks } from '../message/encoder.ts'
import type { CidForm } from '../message/types.ts'
import type { ServerOptions } from '../options.ts'
import type { InFlight } from './in-flight.ts'
import { TakePace } from './take-pace.ts'

/** What a writer needs of the link to its peer. */
export interface DataLink {
  readonly dataOpen: boolean
  readonly dataUnsentBytes: number
  needData(): void
  sendData(parts: readonly Uint8Array[]): boolean
  resetData(reason: string): void
}

export interface Outgoing {
  readonly blob: Blob
  readonly form: CidForm
}

interface Pending {
  readonly key: DigestKey
  readonly form: CidForm
  /** Bytes of the stream up to and including this block. */
  readonly end: number
}

export interface WriterEvents {
  /** The stream took too little for too long. */
  stalled(): void
  /** No longer counts as a write under way: done, or slow. */
  yielded(): void
}

/**
 * The blocks on their way to one peer. Each is held until the transport has taken its last byte; a write that takes long
 * gives up its place among the concurrent ones, and one that hardly moves loses its stream.
 */
export class BlockWriter {
  readonly #link: DataLink
  readonly #inFlight: InFlight
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #options: ServerOptions
  readonly #events: WriterEvents
  readonly #pace = new TakePace()
  #pending: Pending[] = []
  #queued = 0
  #slowTimer: WheelTimer | undefined
  #stallTimer: WheelTimer | undefined
  #leftAtLook = 0
  /** Attended time since which something has been under way without a break. */
  #busySince: number | undefined

  constructor(
    components: { link: DataLink; inFlight: InFlight; clock: Clock; wheel: TimerWheel },
    options: ServerOptions,
    events: WriterEvents
  ) {
    this.#link = components.link
    this.#inFlight = components.inFlight
    this.#clock = components.clock
    this.#wheel = components.wheel
    this.#options = options
    this.#events = events
  }

  /** True while a write counts among the concurrent ones. */
  get writing(): boolean {
    return this.#slowTimer !== undefined
  }

  /** Its stream has not been empty for so long, or what has left will take so long to arrive, ms: the peer takes less than it asks for. */
  get busyMs(): number {
    const busyMs = this.#busySince === undefined ? 0 : this.#wheel.now() - this.#busySince
    return Math.max(busyMs, this.#pace.aheadMs(this.#clock.now(), this.#left))
  }

  /** True when the next block may be loaded; otherwise the stream is being opened, or full. */
  get hasRoom(): boolean {
    if (!this.#link.dataOpen) {
      this.#link.needData()
      return false
    }
    return this.#link.dataUnsentBytes < this.#options.streamRoomBytes
  }

  /** Sends held blocks as one message; false (and all released) when the stream is gone. */
  write(blocks: readonly Outgoing[]): boolean {
    if (this.#pending.length === 0) this.#pace.begin(this.#clock.now(), this.#left)
    const parts = encodeBlocks(blocks.map(({ blob, form }) => ({ form, bytes: blob.bytes })))
    if (!this.#link.sendData(parts)) {
      for (const { blob } of blocks) this.#inFlight.release(blob.cid.key)
      return false
    }
    for (const part of parts) this.#queued += part.length
    for (const { blob, form } of blocks) this.#pending.push({ key: blob.cid.key, form, end: this.#queued })
    this.settle()
    if (this.#pending.length > 0) {
      this.#busySince ??= this.#wheel.now()
      this.#slowTimer ??= this.#wheel.schedule(this.#options.slowWriteMs, () => this.#yield())
      this.#watch()
    }
    return true
  }

  /** The transport took bytes: releases the blocks that have left entirely. True when some were under way, and none is now. */
  settle(): boolean {
    const left = this.#left
    let done = 0
    while (done < this.#pending.length && (this.#pending[done]?.end ?? 0) <= left) done += 1
    for (const { key } of this.#pending.splice(0, done)) this.#inFlight.release(key)
    this.#pace.taken(this.#clock.now(), left, this.#pending.length === 0)
    if (this.#pending.length > 0) return false
    this.#busySince = undefined
    this.#stallTimer?.cancel()
    this.#stallTimer = undefined
    if (this.#slowTimer !== undefined) this.#yield()
    return done > 0
  }

  /** The stream is gone: releases everything and tells what had not left. */
  lost(): readonly { readonly key: DigestKey; readonly form: CidForm }[] {
    const pending = this.#pending
    this.#pending = []
    this.#busySince = undefined
    this.#queued = 0
    this.#pace.reset()
    for (const { key } of pending) this.#inFlight.release(key)
    this.#stallTimer?.cancel()
    this.#stallTimer = undefined
    if (this.#slowTimer !== undefined) this.#yield()
    return pending
  }

  #yield(): void {
    this.#slowTimer?.cancel()
    this.#slowTimer = undefined
    this.#events.yielded()
  }

  #watch(): void {
    if (this.#stallTimer !== undefined) return
    const { writeStallMs, minSendRateBytes } = this.#options
    this.#leftAtLook = this.#left
    this.#stallTimer = this.#wheel.schedule(writeStallMs, () => {
      this.#stallTimer = undefined
      if (this.#pending.length === 0) return
      // Counted by what has left: what is unsent also grows, with every block that is added behind.
      const taken = this.#left - this.#leftAtLook
      if (taken >= (minSendRateBytes * writeStallMs) / 1000) this.#watch()
      else this.#events.stalled()
    })
  }

  /** Bytes of the stream that the transport has taken. */
  get #left(): number {
    return this.#queued - this.#link.dataUnsentBytes
  }
}
