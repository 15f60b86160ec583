import { mkdir } from 'node:fs/promises'
import { PROGRESS } from '#src/requester/index.ts'
import type { Figures } from '../harness/report.ts'
import { fill, openStack, pause, say } from './stack.ts'

const MIB = 1_048_576
const BLOBS = 3
const BLOB_BYTES = 4_096
/** The libraries' own buffers and the first collections are past by then. */
const SETTLE_MS = 2_000

/** Fills a store that is to be opened. */
export async function fillStore({
  dataDir,
  blocks
}: {
  readonly dataDir: string
  readonly blocks: number
}): Promise<Figures> {
  await mkdir(dataDir, { recursive: true })
  const stack = await openStack({ dataDir, cacheBytes: 0 })
  const filling = { from: 1, to: blocks, blobs: BLOBS, blobBytes: BLOB_BYTES, atOnce: 64 }
  await fill(stack, filling, (block) => {
    if (block % 20_000 === 0) say(`${block} of ${blocks} blocks stored`)
  })
  // What a node notes that has come so far.
  const { progress } = stack.data
  await progress.set(PROGRESS.start, 1)
  for (const name of [PROGRESS.consecutive, PROGRESS.notified]) await progress.set(name, blocks)
  await stack.close()
  return { blocks, bytes: blocks * BLOBS * BLOB_BYTES }
}

/** Opens a store as a node does: how long until it answers, and what is resident when it has. */
export async function openOnce({ dataDir }: { readonly dataDir: string }): Promise<Figures> {
  await pause(SETTLE_MS)
  const before = process.memoryUsage.rss()
  const began = performance.now()
  const stack = await openStack({ dataDir, cacheBytes: 64 * MIB })
  const openMs = performance.now() - began
  await pause(SETTLE_MS)
  const openedMiB = (process.memoryUsage.rss() - before) / MIB
  const { count } = stack.data.blockstore.stats()
  await stack.close()
  return { openMs, openedMiB, blobs: count }
}
