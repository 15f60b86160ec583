/**
 * The composition root: joins the rooms to a node. `node.ts` reads from top to bottom; each stage (`…-stage.ts`) makes one part and
 * hands it on.
 */
export { checkCodec, type CodecProgress, type CodecReport } from './codec-check.ts'
export { CONFIG_KEYS, type ConfigKey, type ConfigPath, envName } from './config/keys.ts'
export { type ConfigSources, type LoadedConfig, loadConfig } from './config/load.ts'
export { type NodeConfig, prunerOptionsOf, toNodeConfig } from './config/node-config.ts'
export { renderConfig, renderEffective, shownValue } from './config/render.ts'
export { NodeError, type NodeErrorCode } from './errors.ts'
export { importCars, type ImportProgress, type ImportResult } from './import-cars.ts'
export { assertInitialised, initNode, isInitialised, type NodeIdentityText, readIdentity } from './init.ts'
export { inspectCar, type InspectedBlock, type InspectedChunk } from './inspect.ts'
export { endWindDown, readWindDown } from './wind-down-record.ts'
export { blobOfStopped, type BlobReport, statsOfStopped, verifyStopped } from './store-check.ts'
export { pruneStopped } from './prune-stopped.ts'
export { createNode, type SealsyncNode } from './node.ts'
export { type OfflineNode, openOfflineNode } from './offline-node.ts'
export { revision, version } from './version.ts'
