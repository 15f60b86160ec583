import type { BlobCid, DigestKey } from '../../model/index.ts'
import { BoundedQueue, type Clock, deadline } from '../../util/index.ts'
import type { DhtMetrics } from './metrics.ts'
import type { DhtOptions } from './options.ts'

export interface ProvideQueueComponents {
  /** Tells the network that this node has the blob. */
  readonly provide: (cid: BlobCid, options: { readonly signal: AbortSignal }) => Promise<void>
  readonly clock: Clock
  readonly metrics: DhtMetrics
}

/** New blobs on their way to the DHT: a few at a time, in order, each once. */
export class ProvideQueue {
  readonly #components: ProvideQueueComponents
  readonly #options: Pick<DhtOptions, 'provideConcurrency' | 'operationTimeoutMs'>
  readonly #queue: BoundedQueue<BlobCid>
  /** Waiting or under way. */
  readonly #known = new Set<DigestKey>()
  readonly #stop = new AbortController()
  #running = 0

  constructor(
    components: ProvideQueueComponents,
    options: Pick<DhtOptions, 'provideConcurrency' | 'operationTimeoutMs' | 'maxProvideQueue'>
  ) {
    this.#components = components
    this.#options = options
    this.#queue = new BoundedQueue(options.maxProvideQueue)
  }

  get size(): number {
    return this.#queue.size
  }

  add(cid: BlobCid): void {
    if (this.#known.has(cid.key) || this.#stop.signal.aborted) return
    if (!this.#queue.push(cid)) {
      this.#components.metrics.droppedProvides.inc()
      return
    }
    this.#known.add(cid.key)
    this.#pump()
  }

  /** What waits is not provided any more; what is under way comes to its end. */
  remove(cid: BlobCid): void {
    this.#known.delete(cid.key)
  }

  stop(): void {
    this.#stop.abort(new Error('the node stops'))
    this.#queue.clear()
    this.#known.clear()
  }

  #pump(): void {
    while (this.#running < this.#options.provideConcurrency) {
      const cid = this.#queue.shift()
      if (cid === undefined) return
      if (!this.#known.has(cid.key)) continue
      this.#running += 1
      void this.#one(cid)
    }
  }

  async #one(cid: BlobCid): Promise<void> {
    const limit = deadline(this.#components.clock, this.#options.operationTimeoutMs, this.#stop.signal)
    try {
      await this.#components.provide(cid, { signal: limit.signal })
    } catch {
      // Counted where operations are; the next round of providing everything again includes it.
    } finally {
      limit.end()
      this.#known.delete(cid.key)
      this.#running -= 1
      this.#pump()
    }
  }
}
