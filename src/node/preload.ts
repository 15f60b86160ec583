import type { Logger } from '../log/index.ts'
import type { BlobCid } from '../model/index.ts'
import { messageOf, type Service } from '../util/index.ts'
import type { NodeData } from './data-stage.ts'

/**
 * Reads the blobs of the newest heights into the cache when the node has started, in the background, as many as fit. The newest come last,
 * so that they leave last.
 */
export function createPreload(
  components: Pick<NodeData, 'tracker' | 'warehouse'> & { readonly logger: Logger },
  options: { readonly heights: number; readonly cacheBytes: number }
): Service {
  const controller = new AbortController()
  let main: Promise<void> | undefined
  return {
    async start() {
      if (options.heights === 0) return
      main = preload(components, { ...options, signal: controller.signal }).catch((error: unknown) => {
        components.logger.warn({ error: messageOf(error) }, 'the newest heights are not in the cache')
      })
    },
    async stop() {
      controller.abort()
      await main
    }
  }
}

async function preload(
  { tracker, warehouse, logger }: Pick<NodeData, 'tracker' | 'warehouse'> & { readonly logger: Logger },
  options: { readonly heights: number; readonly cacheBytes: number; readonly signal: AbortSignal }
): Promise<void> {
  const { heights, cacheBytes, signal } = options
  const { highest } = tracker
  if (highest === undefined) return
  const cids: BlobCid[] = []
  let bytes = 0
  for (let height = highest; height > highest - heights && bytes < cacheBytes; height -= 1) {
    for await (const cid of tracker.cidsAt(height)) {
      if (signal.aborted) return
      bytes += (await warehouse.getSize(cid)) ?? 0
      if (bytes > cacheBytes) break
      cids.push(cid)
    }
  }
  for (const cid of cids.reverse()) if (signal.aborted || !(await warehouse.preload(cid))) break
  logger.info({ blobs: cids.length, heights }, 'the newest heights are in the cache')
}
