import { type Pruner, WindDown, type WindDownRecord, type WindDownStatus } from '../pruner/index.ts'
import type { Height } from '../model/index.ts'
import type { NodeContext } from './context.ts'
import type { NodeData } from './data-stage.ts'
import { NodeError } from './errors.ts'
import { type NodeJob, NO_LATENCY } from './job.ts'
import { saveWindDown } from './wind-down-record.ts'

/** What an operator asks for. */
export interface WindDownOrder {
  readonly keepServingUntilMs?: number
  readonly bytesPerSecond?: number
  readonly below?: Height
}

export interface WindDownParts {
  readonly data: NodeData
  readonly pruner: Pruner
  /** Stops following or announcing, for good. */
  readonly leaveFeed: () => Promise<void>
  /** Lets the peers know that nothing new is to be had here. */
  readonly tellPeers: () => void
  /** The node has nothing left and is to end. */
  readonly end: () => void
}

/** A node's way out: what was ordered in this run or in an earlier one. */
export class WindingDown {
  readonly #context: NodeContext
  readonly #parts: WindDownParts
  #windDown: WindDown | undefined
  #shed: WindDownRecord | undefined

  constructor(context: NodeContext, parts: WindDownParts) {
    this.#context = context
    this.#parts = parts
  }

  /** Set while the whole node goes: why it is not ready. */
  get reason(): string | undefined {
    const status = this.status()
    if (status === undefined || status.below !== null || status.state === 'done') return undefined
    return status.state === 'ordered'
      ? 'winding down: serving, nothing new is fetched'
      : 'winding down: shedding what is held'
  }

  /** What was shed to the last; the directory is to be taken away when it is closed. */
  get shed(): WindDownRecord | undefined {
    return this.#shed
  }

  status(): WindDownStatus | undefined {
    return this.#windDown?.status()
  }

  /** Throws NodeError `winding-down` when the whole node goes already. Resolves when the mark is on the disk. */
  async order(order: WindDownOrder): Promise<void> {
    if (this.reason !== undefined) throw new NodeError('winding-down', 'this node is winding down already')
    if (order.below !== undefined) this.#parts.pruner.assertMayPrune(order.below)
    await this.#windDown?.stop()
    const record = recordOf(order, {
      nowMs: this.#context.clock.wallNow(),
      rate: this.#context.config.pruner.bytesPerSecond
    })
    await saveWindDown(this.#context.config.dataDir, record)
    this.resume(record)
    if (record.below === null) await this.#parts.leaveFeed()
    await this.#windDown?.start()
  }

  /** Takes up what the record says, to be started by the stack or by `order`. */
  resume(record: WindDownRecord): WindDown {
    const { config, logger, clock } = this.#context
    const { data, pruner, end, tellPeers } = this.#parts
    if (record.below === null) tellPeers()
    const log = logger.child('pruner')
    const windDown = new WindDown(
      {
        pruner,
        tracker: data.tracker,
        store: data.blockstore,
        save: (next) => saveWindDown(config.dataDir, next),
        logger: log,
        clock
      },
      record
    )
    pruner.limitRate(record.bytesPerSecond)
    log.info({ below: record.below, keepServingUntilMs: record.keepServingUntilMs }, 'winding down')
    void windDown.finished.then((finished) => {
      pruner.limitRate(config.pruner.bytesPerSecond)
      if (!windDown.isWhole) return
      this.#shed = finished
      end()
    })
    this.#windDown = windDown
    return windDown
  }

  /** As a service: what an earlier run was told goes on with this one. */
  readonly service = {
    start: async () => {
      await this.#windDown?.start()
    },
    stop: async () => {
      await this.#windDown?.stop()
    }
  }
}

function recordOf(
  order: WindDownOrder,
  { nowMs, rate }: { readonly nowMs: number; readonly rate: number }
): WindDownRecord {
  return {
    schema: 'sealsync.wind-down/1',
    state: 'ordered',
    orderedAtMs: nowMs,
    keepServingUntilMs: order.keepServingUntilMs ?? null,
    bytesPerSecond: order.bytesPerSecond ?? rate,
    below: order.below ?? null,
    finishedAtMs: null,
    shed: { blobs: 0, bytes: 0 },
    starts: 0
  }
}

/** The job of a node that follows and announces nothing any more: it holds what it holds. */
export function retiredJob({ tracker }: Pick<NodeData, 'tracker'>): NodeJob {
  return {
    status: () => ({
      heights: {
        feed: null,
        highest: tracker.highest ?? null,
        consecutive: tracker.highest ?? null,
        lowest: tracker.lowest ?? null,
        prunedTo: tracker.prunedTo ?? null
      },
      stall: null,
      announceToStoredMs: NO_LATENCY,
      sync: {}
    }),
    doneWith: () => tracker.highest ?? tracker.prunedTo,
    halted: () => undefined,
    stall: () => undefined,
    lag: () => 0
  }
}
