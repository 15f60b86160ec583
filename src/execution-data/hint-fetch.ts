import { type Blob, type BlobCid, type DigestKey, MAX_HINT_CIDS } from '../model/index.ts'
import type { ExecutionDataOptions } from './options.ts'

/**
 * Fetches the blobs that a hint names before the tree has confirmed them, so that a whole tree takes one round trip. A hint is
 * anybody's word: what the tree claims is handed over, and what it never claims is aborted and dropped, nothing of it stored.
 * The unconfirmed bytes are bounded; at the bound the hint is given up and the walk goes on by itself.
 */

export interface HintPorts {
  fetch(cid: BlobCid, signal: AbortSignal): Promise<Blob>
  /** What the store has is not fetched; the walk will find it there. */
  has(cid: BlobCid): Promise<boolean>
  /** False while nothing new is to begin. Call `pump` when that changes. */
  mayBegin(): boolean
}

export interface HintLeftovers {
  /** Blobs that had arrived and that the tree did not claim. */
  readonly arrived: number
  readonly arrivedBytes: number
  /** Fetches ended before anything came. */
  readonly aborted: number
  readonly givenUp: boolean
}

interface Flight {
  readonly controller: AbortController
  readonly blob: Promise<Blob | undefined>
  /** Bytes that arrived and are not claimed yet. */
  held: number | undefined
}

type HintOptions = Pick<ExecutionDataOptions, 'maxHintFetches' | 'maxUnconfirmedBytes'>

export class HintFetch {
  readonly #ports: HintPorts
  readonly #options: HintOptions
  readonly #cids: readonly BlobCid[]
  /** Unclaimed ones. */
  readonly #flights = new Map<DigestKey, Flight>()
  readonly #claimed = new Set<DigestKey>()
  /** Claimed ones still in the air. */
  readonly #handedOver = new Set<AbortController>()
  #next = 0
  #heldBytes = 0
  #stopped = false
  #givenUp = false
  #aborted = 0

  constructor(cids: readonly BlobCid[], ports: HintPorts, options: HintOptions) {
    this.#cids = cids.slice(0, MAX_HINT_CIDS)
    this.#ports = ports
    this.#options = options
  }

  /** Begins as many fetches as the bounds allow. */
  pump(): void {
    while (
      !this.#stopped &&
      this.#next < this.#cids.length &&
      this.#flights.size < this.#options.maxHintFetches &&
      this.#ports.mayBegin()
    ) {
      const cid = this.#cids[this.#next] as BlobCid
      this.#next += 1
      if (!this.#claimed.has(cid.key) && !this.#flights.has(cid.key)) this.#begin(cid)
    }
  }

  /**
   * The tree has this CID. Gives what the hint's fetch of it comes to (`undefined` when it comes to nothing), or `undefined`
   * when there is none: then the caller fetches, and the hint will not.
   */
  claim(cid: BlobCid): Promise<Blob | undefined> | undefined {
    this.#claimed.add(cid.key)
    const flight = this.#flights.get(cid.key)
    if (flight === undefined) return undefined
    this.#flights.delete(cid.key)
    this.#heldBytes -= flight.held ?? 0
    if (flight.held === undefined) {
      this.#handedOver.add(flight.controller)
      void flight.blob.then(() => this.#handedOver.delete(flight.controller))
    }
    this.pump()
    return flight.blob
  }

  /** The tree is known, or given up: ends every fetch and drops what was not claimed. */
  stop(): HintLeftovers {
    this.#stopped = true
    for (const controller of this.#handedOver) controller.abort()
    this.#abortFlights()
    const arrived = this.#flights.size
    const arrivedBytes = this.#heldBytes
    this.#flights.clear()
    this.#heldBytes = 0
    return { arrived, arrivedBytes, aborted: this.#aborted, givenUp: this.#givenUp }
  }

  #begin(cid: BlobCid): void {
    const controller = new AbortController()
    // begun after this turn, so that the flight is listed before anything can land
    const blob = Promise.resolve().then(() => this.#fly(cid, controller.signal))
    this.#flights.set(cid.key, { controller, blob, held: undefined })
  }

  /** Fails silently: the walk fetches again what it needs and meets the failure itself. */
  async #fly(cid: BlobCid, signal: AbortSignal): Promise<Blob | undefined> {
    try {
      if (await this.#ports.has(cid)) return this.#land(cid, undefined)
      if (signal.aborted) return undefined
      return this.#land(cid, await this.#ports.fetch(cid, signal))
    } catch {
      return this.#land(cid, undefined)
    }
  }

  #land(cid: BlobCid, blob: Blob | undefined): Blob | undefined {
    const flight = this.#flights.get(cid.key)
    if (flight === undefined) return blob
    if (blob === undefined) {
      this.#flights.delete(cid.key)
      this.pump()
      return undefined
    }
    flight.held = blob.bytes.length
    this.#heldBytes += blob.bytes.length
    if (this.#heldBytes > this.#options.maxUnconfirmedBytes) this.#giveUp()
    return blob
  }

  /** What has arrived may still be claimed. */
  #giveUp(): void {
    this.#stopped = true
    this.#givenUp = true
    this.#abortFlights()
  }

  /** Ends what has not arrived. */
  #abortFlights(): void {
    for (const [key, flight] of this.#flights) {
      if (flight.held !== undefined) continue
      this.#flights.delete(key)
      this.#aborted += 1
      flight.controller.abort()
    }
  }
}
