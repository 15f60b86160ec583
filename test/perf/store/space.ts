import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Figures } from '../harness/report.ts'
import { fill, openStack, say } from './stack.ts'

const MIB = 1_048_576

/** Fills a store with so many bytes, prunes the lower half of its heights and looks at what the disk got back. */
export async function space({
  bytes,
  blobBytes
}: {
  readonly bytes: number
  readonly blobBytes: number
}): Promise<Figures> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sealsync-space-'))
  try {
    const stack = await openStack({ dataDir, cacheBytes: 64 * MIB })
    const blocks = Math.max(2, Math.floor(bytes / (3 * blobBytes)))
    await fill(stack, { from: 1, to: blocks, blobs: 3, blobBytes, atOnce: 8 }, (block) => {
      if (block % Math.ceil(blocks / 10) === 0) say(`${block} of ${blocks} blocks stored`)
    })
    const full = await sizeOf(dataDir)
    await stack.pruner.start()
    const began = performance.now()
    await stack.pruner.pruneBelow(Math.floor(blocks / 2) + 1, { signal: new AbortController().signal })
    const pruneSeconds = (performance.now() - began) / 1000
    const live = stack.data.blockstore.stats().bytes
    await stack.close()
    const left = await sizeOf(dataDir)
    return {
      fullMB: full / 1e6,
      liveMB: live / 1e6,
      leftMB: left / 1e6,
      aboveLive: left / live - 1,
      freedMBs: (full - left) / 1e6 / pruneSeconds,
      pruneSeconds
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** What the files take on the disk, by their blocks. */
async function sizeOf(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).blocks * 512
  }
  return bytes
}
