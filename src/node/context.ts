import type { Registry } from 'prom-client'
import type { MemoryBudget } from '../budget/index.ts'
import type { RootLogger } from '../log/index.ts'
import type { ProcessProbe } from '../metrics/index.ts'
import type { Clock, Rng } from '../util/index.ts'
import type { NodeMemory } from './memory-stage.ts'
import type { NodeMetrics } from './metrics.ts'
import type { NodeConfig } from './config/node-config.ts'
import type { RoomOptions } from './profiles.ts'
import type { ServiceStack } from './service-stack.ts'

/** What every stage of the composition gets. */
export interface NodeContext {
  readonly config: NodeConfig
  /** What the profile gives each room. */
  readonly rooms: RoomOptions
  readonly clock: Clock
  readonly rng: Rng
  readonly logger: RootLogger
  readonly register: Registry
  readonly budget: MemoryBudget
  readonly memory: NodeMemory
  readonly probe: ProcessProbe
  readonly metrics: NodeMetrics
  readonly services: ServiceStack
}
