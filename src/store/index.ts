/** Where blobs, indexes and progress lie: segment files, Level, and the data directory around them. */
export type { Blockstore, BlockstoreStats } from './blockstore.ts'
export { DataDirectory, databaseDirectory, replaceFile, type DirectoryOwner, SCHEMA_VERSION } from './data-directory.ts'
export { Database, type DatabaseOptions, defaultDatabaseOptions } from './database.ts'
export type { Disk, DiskEntry, DiskFile, DiskOpenMode } from './disk.ts'
export { StoreError, type StoreErrorCode } from './errors.ts'
export type { KeyRange, KeyValueOperation, KeyValueSpace } from './key-value.ts'
export { MemoryBlockstore } from './memory-blockstore.ts'
export type { Migration } from './migration.ts'
export { migrateSegmentSpace } from './segment/migrate-space.ts'
export { MeteredBlockstore, type MeteredBlockstoreComponents } from './metered-blockstore.ts'
export { createStoreMetrics, type StoreMetrics, type StoreOperation } from './metrics.ts'
export { nodeDisk } from './node-disk.ts'
export {
  defaultSegmentBlockstoreOptions,
  defaultWarehouseOptions,
  type SegmentBlockstoreOptions,
  validateSegmentBlockstoreOptions,
  validateWarehouseOptions,
  type WarehouseOptions
} from './options.ts'
export {
  defaultRepairOptions,
  type FetchBlob,
  type RepairOptions,
  RepairingBlockstore
} from './repairing-blockstore.ts'
export { SegmentBlockstore, type SegmentBlockstoreComponents } from './segment-blockstore.ts'
export type { BlobUse } from './shelf.ts'
export { type PinnedBlob, Warehouse, type WarehouseComponents } from './warehouse.ts'
