import { type Blob, type BlobCid, type DigestKey, MAX_HINT_CIDS } from '../model/index.ts'
import type { ExecutionDataOptions } from './options.ts'

/**
 * Fetches the blobs that a hint names before the tree has confirmed them, so that a whole tree takes one round trip. A hint is
 * anybody's word: what the tree claims is handed over, and what it never claims is aborted and dropped, nothing of it stored.
 * The unconfirmed bytes are bounded; at the bound the hint is given up and the walk goes on by itself.
 */

export interface HintPorts {
  /** Gives the blob to `take`, and resolves with what that returns. */
  fetchInto<T>(cid: BlobCid, signal: AbortSignal, take: (blob: Blob) => T): Promise<T>
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
  /** Whether the blob came. It goes through no promise, which would keep it. */
  landed: Promise<boolean>
  /** Arrived, and not claimed yet. */
  blob: Blob | undefined
  /** Of whoever claimed it. */
  take: ((blob: Blob) => void) | undefined
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
   * The tree has this CID. `take` is given what the hint's fetch of it brings, now or when it comes, and the promise says whether it
   * came; `undefined` when there is no such fetch: then the caller fetches, and the hint will not.
   */
  claim(cid: BlobCid, take: (blob: Blob) => void): Promise<boolean> | undefined {
    this.#claimed.add(cid.key)
    const flight = this.#flights.get(cid.key)
    if (flight === undefined) return undefined
    this.#flights.delete(cid.key)
    const { blob } = flight
    if (blob === undefined) {
      flight.take = take
      this.#handedOver.add(flight.controller)
      void flight.landed.then(() => this.#handedOver.delete(flight.controller))
    } else {
      this.#heldBytes -= blob.bytes.length
      flight.blob = undefined
      take(blob)
    }
    this.pump()
    return flight.landed
  }

  /** The tree is known, or given up: ends every fetch and drops what was not claimed. */
  stop(): HintLeftovers {
    this.#stopped = true
    for (const controller of this.#handedOver) controller.abort()
    this.#abortFlights()
    const arrived = this.#flights.size
    const arrivedBytes = this.#heldBytes
    for (const flight of this.#flights.values()) flight.blob = undefined
    this.#flights.clear()
    this.#heldBytes = 0
    return { arrived, arrivedBytes, aborted: this.#aborted, givenUp: this.#givenUp }
  }

  #begin(cid: BlobCid): void {
    const controller = new AbortController()
    const flight: Flight = { controller, landed: Promise.resolve(false), blob: undefined, take: undefined }
    // begun after this turn, so that the flight is listed before anything can land
    flight.landed = Promise.resolve().then(() => this.#fly(cid, flight))
    this.#flights.set(cid.key, flight)
  }

  /** Fails silently: the walk fetches again what it needs and meets the failure itself. */
  async #fly(cid: BlobCid, flight: Flight): Promise<boolean> {
    const { signal } = flight.controller
    try {
      if (await this.#ports.has(cid)) return this.#lost(cid, flight)
      if (signal.aborted) return false
      return await this.#ports.fetchInto(cid, signal, (blob) => this.#land(cid, { flight, blob }))
    } catch {
      return this.#lost(cid, flight)
    }
  }

  #land(cid: BlobCid, { flight, blob }: { readonly flight: Flight; readonly blob: Blob }): boolean {
    if (flight.take !== undefined) flight.take(blob)
    if (this.#flights.get(cid.key) !== flight) return flight.take !== undefined
    flight.blob = blob
    this.#heldBytes += blob.bytes.length
    if (this.#heldBytes > this.#options.maxUnconfirmedBytes) this.#giveUp()
    return true
  }

  #lost(cid: BlobCid, flight: Flight): false {
    if (this.#flights.get(cid.key) === flight) {
      this.#flights.delete(cid.key)
      this.pump()
    }
    return false
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
      if (flight.blob !== undefined) continue
      this.#flights.delete(key)
      this.#aborted += 1
      flight.controller.abort()
    }
  }
}
