import { BlobCid, type ExecutionDataId, type Height } from '../model/index.ts'
import { NodeError } from './errors.ts'
import { PROGRESS as REQUESTER_PROGRESS } from '../requester/index.ts'
import { initialisedRole, readIdentity } from './init.ts'
import { openStoppedData } from './stopped-data.ts'
import { revision, version } from './version.ts'

/** What can be had of a node that does not run: from its directory alone. */
export interface OfflineNode {
  /** The part of the status report that a directory knows; `running` is false. */
  status(): Promise<object>
  /** Tracked heights of [from, to], ascending. */
  heights(from: Height, to: Height): AsyncIterable<Height>
  /** A block's CAR in pieces. Throws ExecutionDataError `blob-missing`, NodeError `config` for a height that is not tracked. */
  car(height: Height): AsyncIterable<Uint8Array>
  /** The same for any tree that lies in the store, tracked or not. Throws ExecutionDataError `blob-missing`. */
  tree(id: ExecutionDataId): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/**
 * Opens the directory of a stopped node; takes its lock. Throws NodeError `config` where there is no node, StoreError `locked` when it
 * runs.
 */
export async function openOfflineNode(dataDir: string): Promise<OfflineNode> {
  const { data, reading } = await openStoppedData(dataDir)
  const { blockstore, tracker, progress } = data
  const { store, ports } = reading
  const tree = (id: ExecutionDataId): AsyncIterable<Uint8Array> =>
    ports.encodeCar(BlobCid.fromExecutionDataId(id), store.readTree(id))
  return {
    async status() {
      const { peerId, nodeId } = await readIdentity(dataDir)
      return {
        running: false,
        version: version(),
        revision: revision(),
        role: await initialisedRole(dataDir),
        peerId,
        nodeId,
        heights: {
          feed: null,
          highest: tracker.highest ?? null,
          consecutive: (await progress.get(REQUESTER_PROGRESS.consecutive)) ?? null,
          lowest: tracker.lowest ?? null,
          prunedTo: tracker.prunedTo ?? null
        },
        blobs: blockstore.stats()
      }
    },
    async *heights(from, to) {
      for await (const block of tracker.blocks(from, to)) yield block.height
    },
    async *car(height) {
      const block = await tracker.blockAt(height)
      if (block === undefined) throw new NodeError('config', `height ${height} is not held in ${dataDir}`)
      yield* tree(block.executionDataId)
    },
    tree,
    close: () => data.close()
  }
}
