// One life of the store's real process: checks what was acknowledged before, says so, then stores, tracks, prunes and compacts until it is
// killed. `node worker.ts DIR ACKNOWLEDGED_FILE`; prints one JSON object a line.
import { readFileSync } from 'node:fs'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/index.ts'
import { type Blob, type BlockId, blobOf, type ExecutionDataId, type Height } from '#src/model/index.ts'
import { createPruner, createPrunerMetrics, defaultPrunerOptions } from '#src/pruner/index.ts'
import { createStoreMetrics, DataDirectory, nodeDisk, SegmentBlockstore } from '#src/store/index.ts'
import { createTrackerMetrics, LevelTracker } from '#src/tracker/index.ts'
import { seededRng, systemClock, systemRng } from '#src/util/index.ts'

const KIB = 1024
/** Heights that share a blob: it outlives its neighbours in the segment, which has to be rewritten for it. */
const SHARING = 40
const RETAINED = 60
const AT_ONCE = 4

const say = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`)

const blob = (name: string, length: number): Blob => blobOf(Buffer.alloc(length, `${name} `))

function blobsOf(height: Height): Blob[] {
  const own = [0, 1].map((part) =>
    blob(`${height}/${part}`, 200 + Math.floor(seededRng(height + part).next() * 40 * KIB))
  )
  return [...own, blob(`shared ${Math.floor(height / SHARING)}`, 60 * KIB)]
}

async function open(path: string) {
  const directory = await DataDirectory.open(path)
  const register = new Registry()
  const components = {
    disk: nodeDisk,
    index: directory.database.space('blobs'),
    clock: systemClock,
    rng: systemRng,
    log: silentLogger,
    metrics: createStoreMetrics(register)
  }
  const limits = {
    segmentBytes: 512 * KIB,
    minSegmentBytes: 256 * KIB,
    compactSlackBytes: 64 * KIB,
    indexEveryRecords: 64
  }
  const store = await SegmentBlockstore.open(components, { directory: directory.blobsPath, ...limits })
  const tracker = await LevelTracker.open(
    {
      space: directory.database.space('tracker'),
      clock: systemClock,
      metrics: createTrackerMetrics(register),
      isStored: (cid) => store.has(cid)
    },
    { sweepHeights: 2 }
  )
  return { register, store, tracker }
}

const fail = (error: unknown): never => {
  process.stderr.write(`${String(error)}\n`)
  process.exit(1)
}

type Opened = Awaited<ReturnType<typeof open>>

/** Heights that were acknowledged and kept, and are not whole. */
async function faultsOf(
  { store, tracker }: Opened,
  heights: readonly Height[]
): Promise<{ lost: number; wrong: number }> {
  let lost = 0
  let wrong = 0
  for (const height of heights) {
    if (height <= (tracker.prunedTo ?? -1)) continue
    if (!(await tracker.isTracked(height))) lost += 1
    for (const { cid, bytes } of blobsOf(height)) {
      const got = await store.get(cid)
      if (got === undefined) lost += 1
      else if (Buffer.compare(got.bytes, bytes) !== 0) wrong += 1
    }
  }
  return { lost, wrong }
}

async function live({ register, store, tracker }: Opened): Promise<never> {
  let done = tracker.highest
  const pruner = createPruner(
    {
      tracker,
      store,
      reclaim: (budget) => store.reclaim(budget),
      doneWith: () => done,
      load: () => ({ queue: 0, diskPressure: 0 }),
      metrics: createPrunerMetrics(register),
      logger: silentLogger,
      clock: systemClock
    },
    { ...defaultPrunerOptions, retention: { heights: RETAINED }, lookMs: 20, idleShare: 0.8, stepBytes: 128 * KIB }
  )
  await pruner.start()
  // In every other life a third of all heights goes at once, in the order of the keys.
  const { lowest, highest } = tracker
  if (process.pid % 2 === 0 && lowest !== undefined && highest !== undefined) {
    pruner.pruneBelow(lowest + Math.ceil((highest - lowest) / 3), { signal: new AbortController().signal }).catch(fail)
  }
  for (let next = (tracker.highest ?? 0) + 1; ; next += AT_ONCE) {
    const heights = Array.from({ length: AT_ONCE }, (_, at) => next + at)
    await Promise.all(heights.map((height) => storeOne(height, { store, tracker })))
    done = next + AT_ONCE - 1
    const { copied, unlinked } = await upkeepOf(register)
    say({ acknowledged: heights, prunedTo: tracker.prunedTo ?? -1, copied, unlinked })
  }
}

async function storeOne(height: Height, { store, tracker }: Pick<Opened, 'store' | 'tracker'>): Promise<void> {
  const id = height.toString(16).padStart(64, '0')
  const blobs = blobsOf(height)
  for (;;) {
    await store.putMany(blobs)
    try {
      const block = { height, blockId: id as BlockId, executionDataId: id as ExecutionDataId }
      return await tracker.track(
        block,
        blobs.map(({ cid }) => cid)
      )
    } catch (error) {
      // The shared blob went with its last height in this very moment: it is put again.
      if ((error as { readonly code?: string }).code !== 'blobs-gone') throw error
    }
  }
}

async function upkeepOf(register: Registry): Promise<{ readonly copied: number; readonly unlinked: number }> {
  const of = async (name: string): Promise<number> =>
    (await register.getSingleMetric(name)?.get())?.values[0]?.value ?? 0
  return {
    copied: await of('sealsync_store_compacted_bytes_total'),
    unlinked: await of('sealsync_store_reclaimed_bytes_total')
  }
}

const [path = '', acknowledged = ''] = process.argv.slice(2)
const began = performance.now()
const opened = await open(path)
const openMs = Math.round(performance.now() - began)
const heights = JSON.parse(readFileSync(acknowledged, 'utf8')) as readonly Height[]
say({ openMs, ...(await faultsOf(opened, heights)) })
await live(opened)
