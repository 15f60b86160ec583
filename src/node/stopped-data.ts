import type { Registry } from 'prom-client'
import { silentLogger } from '../log/index.ts'
import { createRegistry } from '../metrics/index.ts'
import { systemClock, systemRng } from '../util/index.ts'
import { type NodeData, openData } from './data-stage.ts'
import { type ExecutionDataReading, createExecutionDataReading } from './execution-data-reading.ts'
import { assertInitialised } from './init.ts'

/** What lies in the directory of a node that does not run. */
export interface StoppedData {
  readonly data: NodeData
  readonly reading: ExecutionDataReading
  readonly register: Registry
}

/**
 * Opens the directory of a stopped node for a command; takes its lock. Throws NodeError `config` where there is no node, StoreError
 * `locked` when it runs.
 */
export async function openStoppedData(dataDir: string): Promise<StoppedData> {
  await assertInitialised(dataDir)
  const register = createRegistry()
  const components = { clock: systemClock, rng: systemRng, logger: silentLogger, register }
  // A command reads each blob once: a cache would only cost memory.
  const data = await openData(components, { dataDir, cacheBytes: 0 })
  return { data, register, reading: createExecutionDataReading({ blockstore: data.blockstore, register }) }
}
