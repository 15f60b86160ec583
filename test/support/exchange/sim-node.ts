import { Registry } from 'prom-client'
import { ExchangeService } from '#src/exchange/exchange-service.ts'
import {
  type ExchangeOptionsChange,
  exchangeOptions,
  type PeerDirectory,
  type ProviderRouter
} from '#src/exchange/index.ts'
import { silentLogger } from '#src/log/logger.ts'
import type { PeerIdText } from '#src/model/index.ts'
import { type Clock, type Rng, seededRng } from '#src/util/index.ts'
import { MemoryBlobs } from './memory-blobs.ts'
import { NodeClock } from './node-clock.ts'
import type { VirtualPort } from './virtual-network.ts'

export interface SimNodeShape {
  readonly port: VirtualPort
  readonly clock: Clock
  readonly directory: PeerDirectory
  readonly options: ExchangeOptionsChange
  readonly seed: number
  /** Called whenever the node's own code may have run. */
  readonly onTurn?: (node: SimNode) => void
  readonly router?: ProviderRouter
}

/** One process, from its start to its end. */
interface Life {
  readonly clock: NodeClock
  readonly exchange: ExchangeService
  readonly register: Registry
  up: boolean
}

/** A simulated node: an exchange on a memory store, as one process that may stall, crash and start again. */
export class SimNode {
  readonly peer: PeerIdText
  readonly port: VirtualPort
  /** Outlives the process. */
  readonly blobs: MemoryBlobs
  readonly #shape: SimNodeShape
  readonly #onTurn: () => void
  #life: Life
  #lives = 0

  constructor(shape: SimNodeShape) {
    this.peer = shape.port.peer
    this.port = shape.port
    this.#shape = shape
    this.#onTurn = () => shape.onTurn?.(this)
    this.port.onTurn = this.#onTurn
    this.blobs = new MemoryBlobs(new NodeClock(shape.clock, this.#onTurn))
    this.#life = this.#begin()
  }

  get exchange(): ExchangeService {
    return this.#life.exchange
  }

  get register(): Registry {
    return this.#life.register
  }

  get up(): boolean {
    return this.#life.up
  }

  /** No CPU for so long: it reads, writes and times nothing. */
  stall(ms: number): void {
    const { clock } = this.#life
    if (this.port.silent) return
    clock.setStalled(true)
    this.port.setSilent(true)
    this.#shape.clock.setTimer(ms, () => {
      clock.setStalled(false)
      if (this.#life.clock === clock) this.port.setSilent(false)
    })
  }

  /** The process ends without a word; its peers see their connections close. */
  crash(): void {
    if (!this.#life.up) return
    this.#life.up = false
    this.#life.clock.stop()
    this.port.stop()
    this.port.partAll()
    this.port.setSilent(false)
    void this.#life.exchange.stop()
  }

  /** A new process on the same store. Its peers are to be connected again. */
  restart(): void {
    if (!this.#life.up) this.#life = this.#begin()
  }

  #begin(): Life {
    const { port, directory, options, seed, router } = this.#shape
    const clock = new NodeClock(this.#shape.clock, this.#onTurn)
    const rng: Rng = seededRng(seed * 1000 + this.#lives)
    const register = new Registry()
    this.#lives += 1
    const exchange = new ExchangeService(
      {
        network: port,
        blocks: this.blobs,
        requestFilter: () => true,
        peerDirectory: () => directory,
        selfPeer: this.peer,
        clock,
        rng,
        logger: silentLogger,
        register,
        nextTurn: (run) => port.nextTurn(() => clock.setTimer(0, run)),
        ...(router === undefined ? {} : { router })
      },
      exchangeOptions(options)
    )
    void exchange.start()
    return { clock, exchange, register, up: true }
  }
}
