/** Pages blobs through a warehouse that keeps none of them, in a process of its own: how many full collections it took. */
import { PerformanceObserver, constants } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { type Blob, BlobCid, DIGEST_LENGTH } from '#src/model/index.ts'
import { MemoryBlockstore } from '#src/store/memory-blockstore.ts'
import { createStoreMetrics } from '#src/store/metrics.ts'
import { Warehouse } from '#src/store/warehouse.ts'
import { ReadGarbage, systemClock } from '#src/util/index.ts'

const BLOB_BYTES = 1_048_576
const BLOBS = 2_000
const READERS = 8

/** Gives blobs as a disk does: each in memory of its own, some turns later. */
class Disk extends MemoryBlockstore {
  readonly #garbage = new ReadGarbage(8 * BLOB_BYTES)

  override async get(cid: BlobCid): Promise<Blob> {
    for (let turn = 0; turn < 3; turn += 1) await setImmediate()
    this.#garbage.add(BLOB_BYTES)
    return { cid, bytes: new Uint8Array(Buffer.allocUnsafeSlow(BLOB_BYTES).buffer) } as Blob
  }
}

let full = 0
const observer = new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const { detail } = entry as unknown as { readonly detail: { readonly kind: number } }
    if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) full += 1
  }
})
const warehouse = new Warehouse(
  { store: new Disk(), metrics: createStoreMetrics(new Registry()), clock: systemClock },
  { cacheBytes: 0 }
)
const cids = Array.from({ length: BLOBS }, (_, at) => {
  const digest = new Uint8Array(DIGEST_LENGTH)
  new DataView(digest.buffer).setUint32(0, at)
  return BlobCid.fromDigest(digest)
})
observer.observe({ entryTypes: ['gc'] })
const left = [...cids]
const reader = async (): Promise<void> => {
  for (let cid = left.pop(); cid !== undefined; cid = left.pop()) await warehouse.get(cid)
}
await Promise.all(Array.from({ length: READERS }, reader))
await setImmediate()
console.log(JSON.stringify({ full, heldBytes: process.memoryUsage().arrayBuffers }))
