import type { BlobCid } from '#src/model/index.ts'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultWarehouseOptions } from '#src/store/options.ts'
import type { Figures } from '../harness/report.ts'
import { median } from '../harness/statistics.ts'
import { fill, freshBlob, openStack, say } from './stack.ts'

const MIB = 1_048_576
const RETAINED = 1_000
const BLOBS = 3
const BLOB_BYTES = 4_096
/** Of the slope, and of what is printed. */
const SAMPLE_EVERY = 1_000

/** Resident memory of one process while blocks pass through its store. */
export async function flat({ blocks }: { readonly blocks: number }): Promise<Figures> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sealsync-flat-'))
  try {
    const { cacheBytes } = defaultWarehouseOptions
    const stack = await openStack({ dataDir, cacheBytes, pruning: { retention: { heights: RETAINED }, minHeights: 1 } })
    // The cache is full before the first block, with blobs of no height, that it sheds as others come. Filled three times over, so that
    // the collector has found its rhythm: it lets garbage grow to some times of what lives, and has to see that once.
    const loose: BlobCid[] = []
    for (let bytes = 0; bytes < 3 * cacheBytes; bytes += 64 * BLOB_BYTES) {
      const blobs = Array.from({ length: 64 }, () => freshBlob(BLOB_BYTES))
      await stack.data.blockstore.putMany(blobs)
      loose.push(...blobs.map(({ cid }) => cid))
    }
    await stack.data.tracker.markLoose(loose)
    await stack.pruner.start()
    const samples: Sample[] = []
    const recent: BlobCid[] = []
    let missing = 0
    let backlog = 0
    const began = performance.now()
    const step = { from: 1, to: blocks, blobs: BLOBS, blobBytes: BLOB_BYTES, atOnce: 16 }
    await fill(stack, step, async (block, blobs) => {
      recent.push(...blobs.map(({ cid }) => cid))
      if (recent.length > RETAINED) recent.splice(0, recent.length - RETAINED)
      // Somebody asks for one of the last third of what is kept.
      const asked = recent[Math.floor(Math.random() * recent.length)]
      if (asked !== undefined && (await stack.data.blockstore.get(asked)) === undefined) missing += 1
      if (block % SAMPLE_EVERY !== 0) return
      backlog = Math.max(backlog, stack.pruner.status().backlogHeights)
      const sample = { block, ...(await resident()) }
      samples.push(sample)
      if (block % (10 * SAMPLE_EVERY) === 0) {
        say(`${block} blocks, ${sample.rss.toFixed(1)} MiB resident, ${sample.file.toFixed(1)} of them of files`)
      }
    })
    const seconds = (performance.now() - began) / 1000
    await stack.close()
    return { ...figuresOf(samples), seconds, backlogHeightsMost: backlog, missing }
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

interface Sample {
  readonly block: number
  /** MiB, all of it and what are pages of files: the program, and tables of the index that Level has mapped. */
  readonly rss: number
  readonly file: number
}

async function resident(): Promise<Omit<Sample, 'block'>> {
  const status = await readFile('/proc/self/status', 'latin1').catch(() => '')
  const kib = Number(/^RssFile:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN)
  return { rss: process.memoryUsage.rss() / MIB, file: (kib * 1024) / MIB }
}

function figuresOf(samples: readonly Sample[]): Figures {
  const around = (block: number): number =>
    median(samples.filter((one) => Math.abs(one.block - block) <= block * 0.1).map(({ rss }) => rss))
  const last = samples.at(-1)?.block ?? 0
  return {
    'rssMiB at 1,000': samples[0]?.rss ?? Number.NaN,
    'rssMiB at 10,000': around(10_000),
    'rssMiB at the end': around(last),
    'fileMiB at 1,000': samples[0]?.file ?? Number.NaN,
    'fileMiB at the end': samples.at(-1)?.file ?? Number.NaN,
    rssMiBMost: Math.max(...samples.map(({ rss }) => rss)),
    slopeMBPer10000: (slope(samples) * 10_000 * MIB) / 1e6
  }
}

/** Of the line with the least squares, MiB a block. */
function slope(samples: readonly Sample[]): number {
  const mean = (of: (one: (typeof samples)[number]) => number): number =>
    samples.reduce((sum, one) => sum + of(one), 0) / samples.length
  const block = mean((one) => one.block)
  const rss = mean((one) => one.rss)
  const both = mean((one) => (one.block - block) * (one.rss - rss))
  return both / mean((one) => (one.block - block) ** 2)
}
