import type { BlobCid, Height, SealedBlock } from '#src/model/index.ts'
import type { ProgressStore } from '#src/requester/index.ts'
import type { TrackedBlock, Tracker } from '#src/tracker/tracker.ts'

type TrackerPart = Pick<Tracker, 'track' | 'blockAt' | 'blocks' | 'highest' | 'prunedTo'>

/** A tracker in memory; outlives the requester that uses it, as a disk does. */
export class MemoryTracker implements TrackerPart {
  readonly tracked = new Map<Height, TrackedBlock>()
  readonly cids = new Map<Height, readonly BlobCid[]>()
  prunedTo: Height | undefined

  get highest(): Height | undefined {
    return this.tracked.size === 0 ? undefined : Math.max(...this.tracked.keys())
  }

  async track(block: SealedBlock, cids: readonly BlobCid[]): Promise<void> {
    const { height, blockId, executionDataId } = block
    this.tracked.set(height, { height, blockId, executionDataId, trackedAtMs: 0 })
    this.cids.set(height, cids)
  }

  async blockAt(height: Height): Promise<TrackedBlock | undefined> {
    return this.tracked.get(height)
  }

  async *blocks(from: Height, to: Height): AsyncGenerator<TrackedBlock> {
    const heights = [...this.tracked.keys()].filter((height) => height >= from && height <= to).sort((a, b) => a - b)
    for (const height of heights) {
      const block = this.tracked.get(height)
      if (block !== undefined) yield block
    }
  }
}

/** Progress in memory. */
export class MemoryProgress implements ProgressStore {
  readonly heights = new Map<string, Height>()
  /** Every write in order. */
  readonly writes: [string, Height][] = []

  async get(name: string): Promise<Height | undefined> {
    return this.heights.get(name)
  }

  async set(name: string, height: Height): Promise<void> {
    this.writes.push([name, height])
    this.heights.set(name, height)
  }
}
