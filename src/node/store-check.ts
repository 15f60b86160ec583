import type { DbPorts } from '../api/index.ts'
import { silentLogger } from '../log/index.ts'
import type { Logger } from '../log/index.ts'
import type { BlobCid } from '../model/index.ts'
import { Verifier, type VerifyState } from '../pruner/index.ts'
import { type Clock, sleep, systemClock } from '../util/index.ts'
import type { NodeData } from './data-stage.ts'
import { openStoppedData } from './stopped-data.ts'

/** Read in a second where nothing is said: a tenth of what a disk gives, so that a running node hardly notices. */
const DEFAULT_BYTES_PER_SECOND = 32 * 1024 ** 2
/** Between two reports of progress, ms. */
const PROGRESS_MS = 1_000

export function createVerifier(
  data: NodeData,
  { logger, clock }: { readonly logger: Logger; readonly clock: Clock }
): Verifier {
  return new Verifier({
    space: data.directory.database.space('verify'),
    cidsAfter: (digest, limit) => data.segments.cidsAfter(digest, limit),
    // Not through the cache: what counts is what lies on the disk.
    read: (cid) => data.segments.get(cid),
    stats: () => data.blockstore.stats(),
    damagedSoFar: () => data.damagedSoFar(),
    logger,
    clock
  })
}

export function dbPorts(data: NodeData, verifier: Verifier): DbPorts {
  return {
    verify({ bytesPerSecond = DEFAULT_BYTES_PER_SECOND }) {
      verifier.begin({ bytesPerSecond })
      return verifier.status() ?? {}
    },
    stats: async () => storeStats(data),
    blob: (cid) => blobReport(data, cid)
  }
}

/** What lies on the disk. */
function storeStats(data: NodeData): object {
  const { segments, blockstore, tracker, directory } = data
  const files = [...segments.segments.values()]
  const index = directory.database.stats()
  return {
    schema: 'sealsync.db-stats/1',
    blobs: blockstore.stats(),
    heights: { lowest: tracker.lowest ?? null, highest: tracker.highest ?? null, prunedTo: tracker.prunedTo ?? null },
    segments: {
      count: files.length,
      bytes: files.reduce((sum, { end }) => sum + end, 0),
      liveBytes: files.reduce((sum, { liveBytes }) => sum + liveBytes, 0),
      deadBytes: segments.deadBytes
    },
    damaged: { waitingForRepair: data.repairing.waiting, foundInThisRun: data.damagedSoFar() },
    index
  }
}

/** Where a blob stands, and whether what lies on the disk is what its CID says. A damaged one is dropped by this, to be fetched anew. */
export interface BlobReport {
  readonly schema: 'sealsync.diag-blob/1'
  readonly cid: string
  readonly held: boolean
  /** `null` when it is not held. */
  readonly bytes: number | null
  readonly intact: boolean | null
  /** The newest height that refers to it, which keeps it from being pruned; `null` when none does. */
  readonly latestHeight: number | null
}

async function blobReport(data: NodeData, cid: BlobCid): Promise<BlobReport> {
  const bytes = await data.blockstore.getSize(cid)
  const latestHeight = (await data.tracker.latestHeightOf(cid)) ?? null
  const facts = { schema: 'sealsync.diag-blob/1', cid: cid.toString(), latestHeight } as const
  if (bytes === undefined) return { ...facts, held: false, bytes: null, intact: null }
  // Not through the cache, as above.
  return { ...facts, held: true, bytes, intact: (await data.segments.get(cid)) !== undefined }
}

/** `diag blob` of a stopped node. Throws NodeError `config`, StoreError `locked`. */
export async function blobOfStopped(dataDir: string, cid: BlobCid): Promise<BlobReport> {
  const { data } = await openStoppedData(dataDir)
  try {
    return await blobReport(data, cid)
  } finally {
    await data.close()
  }
}

/** `db stats` of a stopped node. Throws NodeError `config`, StoreError `locked`. */
export async function statsOfStopped(dataDir: string): Promise<object> {
  const { data } = await openStoppedData(dataDir)
  try {
    return storeStats(data)
  } finally {
    await data.close()
  }
}

/**
 * `db verify` of a stopped node; goes on where an earlier one ended. What is damaged is dropped, and fetched anew when the node runs. Throws
 * NodeError `config`, StoreError `locked`.
 */
export async function verifyStopped(
  request: { readonly dataDir: string; readonly bytesPerSecond: number },
  { signal, onProgress }: { readonly signal: AbortSignal; readonly onProgress: (state: VerifyState) => void }
): Promise<VerifyState | null> {
  const { data } = await openStoppedData(request.dataDir)
  const verifier = createVerifier(data, { logger: silentLogger, clock: systemClock })
  const onAbort = (): void => void verifier.stop()
  try {
    await verifier.start()
    verifier.begin(request)
    signal.addEventListener('abort', onAbort, { once: true })
    const ended = verifier.ended()
    const done = new AbortController()
    void ended.then(() => done.abort())
    while (!done.signal.aborted) {
      await sleep(systemClock, PROGRESS_MS, done.signal).catch(() => undefined)
      const state = verifier.status()
      if (state !== null) onProgress(state)
    }
    return verifier.status()
  } finally {
    signal.removeEventListener('abort', onAbort)
    await verifier.stop()
    await data.close()
  }
}
