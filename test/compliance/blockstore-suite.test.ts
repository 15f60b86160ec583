import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/logger.ts'
import {
  type BlobUse,
  type Blockstore,
  createStoreMetrics,
  DataDirectory,
  MemoryBlockstore,
  MeteredBlockstore,
  nodeDisk,
  RepairingBlockstore,
  SegmentBlockstore,
  Warehouse
} from '#src/store/index.ts'
import { seededRng, systemClock } from '#src/util/index.ts'
import { SimulatedKeyValue } from '#test/support/store/simulated-key-value.ts'
import { type BlockstoreFixture, blockstoreSuite } from '#test/support/store/blockstore-suite.ts'

type Decorate = (store: Blockstore) => Blockstore

const metrics = createStoreMetrics(new Registry())
const metered: Decorate = (store) => new MeteredBlockstore({ store, metrics, clock: systemClock })
const warehouse =
  (cacheBytes: number): Decorate =>
  (store) =>
    new Warehouse({ store, metrics, clock: systemClock }, { cacheBytes })
const seen =
  (use: BlobUse, cacheBytes: number): Decorate =>
  (store) =>
    new Warehouse({ store, metrics, clock: systemClock }, { cacheBytes }).as(use)

const repairing: Decorate = (store) =>
  new RepairingBlockstore({ store, space: new SimulatedKeyValue(), metrics, logger: silentLogger, clock: systemClock })

const decorators: readonly (readonly [string, Decorate])[] = [
  ['', (store) => store],
  [', metered', metered],
  [', warehouse of 64 MiB', warehouse(64 * 1024 ** 2)],
  [', warehouse of 64 KiB', warehouse(64 * 1024)],
  [', warehouse of nothing', warehouse(0)],
  [', warehouse for reading once', seen('once', 64 * 1024)],
  [', warehouse for what is hot', seen('hot', 64 * 1024)],
  [', warehouse seen as normal, of nothing', seen('normal', 0)],
  [', repairing', repairing],
  [', warehouse over repairing', (store) => warehouse(64 * 1024)(metered(repairing(store)))],
  [', metered warehouse', (store) => metered(warehouse(1024 ** 2)(store))]
]

const inMemory = async (decorate: Decorate): Promise<BlockstoreFixture> => ({
  store: decorate(new MemoryBlockstore()),
  close: async () => undefined
})

async function onDisk(
  decorate: Decorate,
  limits: { segmentBytes?: number; indexEveryRecords?: number }
): Promise<BlockstoreFixture> {
  const path = await mkdtemp(join(tmpdir(), 'sealsync-store-'))
  const directory = await DataDirectory.open(path)
  const components = {
    disk: nodeDisk,
    index: directory.database.space('blobs'),
    clock: systemClock,
    rng: seededRng(1),
    log: silentLogger,
    metrics
  }
  const store = await SegmentBlockstore.open(components, { directory: directory.blobsPath, ...limits })
  return {
    store: decorate(store),
    close: async () => {
      await store.close()
      await directory.close()
      await rm(path, { recursive: true })
    }
  }
}

for (const [suffix, decorate] of decorators) {
  blockstoreSuite(`memory${suffix}`, () => inMemory(decorate))
  blockstoreSuite(`segments${suffix}`, () => onDisk(decorate, {}))
}
blockstoreSuite('small segments', () => onDisk((store) => store, { segmentBytes: 4096, indexEveryRecords: 7 }))
