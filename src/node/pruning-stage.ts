import type { Registry } from 'prom-client'
import type { PrunePorts } from '../api/index.ts'
import type { Logger } from '../log/index.ts'
import type { Height } from '../model/index.ts'
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
  readonly register: Registry
  readonly logger: Logger
  readonly clock: Clock
}

/** The pruner over a node's data, with what is given and the defaults. */
export function createPruning(components: PruningComponents, options: Partial<PrunerOptions>): Pruner {
  const { data, doneWith, load, register, logger, clock } = components
  return createPruner(
    {
      tracker: data.tracker,
      store: data.blockstore,
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
