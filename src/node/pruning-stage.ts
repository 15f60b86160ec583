import type { Registry } from 'prom-client'
import type { PrunePorts } from '../api/index.ts'
import type { Logger } from '../log/index.ts'
import type { BlobCid, Height } from '../model/index.ts'
import {
  createPruner,
  createPrunerMetrics,
  defaultPrunerOptions,
  type NodeLoad,
  type Pruner,
  type PrunerOptions
} from '../pruner/index.ts'
import { type Clock, messageOf } from '../util/index.ts'
import type { NodeData } from './data-stage.ts'

export interface PruningComponents {
  readonly data: NodeData
  /** The highest height that may go. */
  readonly doneWith: () => Height | undefined
  readonly load: () => NodeLoad
  /** Told of what was deleted. */
  readonly withdraw?: (cids: readonly BlobCid[]) => Promise<void>
  readonly register: Registry
  readonly logger: Logger
  readonly clock: Clock
}

/** The pruner over a node's data, with what is given and the defaults. */
export function createPruning(components: PruningComponents, options: Partial<PrunerOptions>): Pruner {
  const { data, doneWith, load, withdraw, register, logger, clock } = components
  return createPruner(
    {
      tracker: data.tracker,
      store: withdraw === undefined ? data.blockstore : withdrawing(data.blockstore, withdraw),
      reclaim: (budget) => data.segments.reclaim(budget),
      doneWith,
      load,
      metrics: createPrunerMetrics(register),
      logger,
      clock
    },
    { ...defaultPrunerOptions, ...options }
  )
}

type PrunedStore = Pick<NodeData['blockstore'], 'deleteMany' | 'stats' | 'keys' | 'getSize'>

/** Whoever was told that the node has a blob is to be told no more when it is deleted. */
function withdrawing(store: PrunedStore, withdraw: (cids: readonly BlobCid[]) => Promise<void>): PrunedStore {
  return {
    stats: () => store.stats(),
    keys: () => store.keys(),
    getSize: (cid) => store.getSize(cid),
    deleteMany: async (cids) => {
      const deleted = await store.deleteMany(cids)
      await withdraw(cids)
      return deleted
    }
  }
}

/** The pruner as the admin socket wants it: what takes long goes on by itself. */
export function prunePorts(pruner: Pruner, logger: Logger): PrunePorts {
  return {
    plan: (options) => pruner.plan(options),
    begin(below) {
      pruner.assertMayPrune(below)
      logger.info({ below }, "pruning on an operator's word")
      pruner.pruneBelow(below, { signal: new AbortController().signal }).catch((error: unknown) => {
        logger.info({ below, reason: messageOf(error) }, "pruning on an operator's word was cut short")
      })
    }
  }
}
