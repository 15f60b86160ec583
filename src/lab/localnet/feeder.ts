import { appendFile } from 'node:fs/promises'
import type { Height } from '../../model/index.ts'
import { type Clock, messageOf, sleep } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import { withDeadline } from './deadline.ts'
import type { NodeProcess } from './node-process.ts'
import { OpenSchedule } from './schedule.ts'
import type { BlockSource, SourceBlock } from './source.ts'

/** Puts a block's blobs into an execution node. */
export type Ingest = (node: NodeProcess, block: SourceBlock, options: { readonly signal: AbortSignal }) => Promise<void>

/** What is kept of a block that was given: enough to check it. */
export interface FedBlock {
  readonly height: Height
  readonly carSha256: string
  readonly blobs: number
  readonly bytes: number
}

/** An execution node that is being overrun takes this long at most; one that does not answer is given up. */
const INGEST_LIMIT_MS = 60_000

export interface FeederComponents {
  readonly clock: Clock
  readonly ingest: Ingest
  /** Execution nodes that answer at the moment. */
  readonly targets: () => readonly NodeProcess[]
  /** Called after each block, with all that were given. */
  readonly onBlock: (fed: readonly FedBlock[]) => void
}

export interface FeederOptions {
  readonly source: BlockSource
  /** The block list that the execution nodes follow. */
  readonly blockList: string
  readonly rate: number
  /** A feeder that was held up catches up with so many ms worth of blocks at once; 0: they are never closer than at the rate. */
  readonly catchUpMs?: number | undefined
  /** No block begins later than so many ms after the first. */
  readonly forMs?: number | undefined
}

/**
 * Gives blocks to the network at a rate: each block's blobs go to every execution node, then its line to the block list, which
 * makes the nodes announce it. The list is written in order, and only when every execution node that answers holds the block.
 */
export class Feeder {
  readonly #components: FeederComponents
  readonly #options: FeederOptions
  readonly #fed: FedBlock[] = []

  constructor(components: FeederComponents, options: FeederOptions) {
    this.#components = components
    this.#options = options
  }

  get fed(): readonly FedBlock[] {
    return this.#fed
  }

  /**
   * Resolves when the source has ended, the time is over or `signal` aborted: then no block is left half given.
   * Throws LabError `ingest-failed` or `bad-source`.
   */
  async run(options: { readonly signal: AbortSignal }): Promise<void> {
    const { clock } = this.#components
    const schedule = new OpenSchedule(clock.now(), this.#options.rate, this.#options.catchUpMs)
    const startedAt = clock.now()
    for await (const block of oneAhead(this.#options.source.blocks())) {
      const waitMs = schedule.next(clock.now())
      if (this.#options.forMs !== undefined && clock.now() + waitMs - startedAt > this.#options.forMs) return
      if (waitMs > 0) await sleep(clock, waitMs, options.signal).catch(() => undefined)
      if (options.signal.aborted) return
      await this.#give(block)
    }
  }

  async #give(block: SourceBlock): Promise<void> {
    const { height, blockId, executionDataId, carSha256, blobs, bytes } = block
    const targets = this.#components.targets()
    if (targets.length === 0) throw new LabError('ingest-failed', `no execution node is left to take block ${height}`)
    await Promise.all(targets.map((node) => this.#ingestInto(node, block)))
    await appendFile(this.#options.blockList, `${JSON.stringify({ height, blockId, executionDataId })}\n`)
    this.#fed.push({ height, carSha256, blobs, bytes })
    this.#components.onBlock(this.#fed)
  }

  async #ingestInto(node: NodeProcess, block: SourceBlock): Promise<void> {
    const { clock, ingest } = this.#components
    try {
      await withDeadline(clock, { ms: INGEST_LIMIT_MS }, (signal) => ingest(node, block, { signal }))
    } catch (cause) {
      // A node that was stopped in the middle of a block is out of the run; the others have it.
      if (!node.answering) return
      throw new LabError('ingest-failed', `${node.plan.name} did not take block ${block.height}: ${messageOf(cause)}`, {
        cause
      })
    }
  }
}

/** The same blocks, the next one being read or made while this one is on its way. No more than two are held. */
async function* oneAhead(blocks: AsyncIterable<SourceBlock>): AsyncGenerator<SourceBlock> {
  const iterator = blocks[Symbol.asyncIterator]()
  let next = iterator.next()
  try {
    while (true) {
      const { value, done } = await next
      if (done === true) return
      next = iterator.next()
      // Its failure is met when its turn comes, or not at all.
      next.catch(() => undefined)
      yield value
    }
  } finally {
    await next.catch(() => undefined)
    await iterator.return?.()
  }
}
