import { isLogLevel, LOG_LEVELS } from '../../log/index.ts'
import {
  type BlockId,
  type ExecutionDataId,
  type Height,
  parseBlockId,
  parseExecutionDataId,
  parseHeight
} from '../../model/index.ts'
import type { TrackedBlock, Tracker } from '../../tracker/tracker.ts'
import { CAR_CONTENT_TYPE } from '../api-listener.ts'
import { ApiError } from '../errors.ts'
import type { ExecutionDataReader } from '../execution-data-reader.ts'
import { type PrunePorts, pruneRoute } from './prune-route.ts'
import { type WindDownPort, windDownRoute } from './wind-down-route.ts'
import { type DbPorts, dbRoutes } from './db-routes.ts'
import type { AdminAnswer, AdminRequest, AdminRoute } from './admin-listener.ts'

/** What an execution node is given to store, track and announce. */
export interface IngestBlock {
  readonly height: Height
  readonly blockId: BlockId
  readonly executionDataId: ExecutionDataId
}

export interface AdminPorts {
  /** The status report of the contract, §3. */
  readonly status: (options: { readonly signal: AbortSignal }) => Promise<object>
  /** The peers and what is known of each. */
  readonly peers: (options: { readonly signal: AbortSignal }) => Promise<object>
  /** Sets the level of one room's log, or of all. False when there is no such room. */
  readonly setLogLevel: (level: string, room: string | undefined) => boolean
  /** Begins to stop the node; must return at once. */
  readonly stop: () => void
  readonly tracker: Pick<Tracker, 'blocks'>
  readonly reader: Pick<ExecutionDataReader, 'find' | 'car' | 'tree'>
  readonly prune?: PrunePorts
  readonly windDown?: WindDownPort
  readonly db?: DbPorts
  /** Takes a block's CAR, verified and durable when it resolves. Given at execution nodes only. */
  readonly ingest?: (
    block: IngestBlock,
    car: AsyncIterable<Uint8Array>,
    options: { readonly signal: AbortSignal }
  ) => Promise<object>
}

/** Blocks listed by one `GET /export`: 200 KB of JSON. A client asks on from `next`. */
export const EXPORT_PAGE_BLOCKS = 1_000

/** One page of `GET /export?from=&to=`. */
export interface ExportPage {
  readonly blocks: readonly TrackedBlock[]
  /** The height to go on from; `null` when this page has the last tracked block up to `to`. */
  readonly next: Height | null
}

/** The routes that every node has; `POST /ingest` only where the port is given. */
export function createAdminRoutes(ports: AdminPorts): AdminRoute[] {
  const routes: AdminRoute[] = [
    {
      name: 'status',
      method: 'GET',
      path: '/status',
      handle: async ({ signal }) => ({ json: await ports.status({ signal }) })
    },
    {
      name: 'peers',
      method: 'GET',
      path: '/peers',
      handle: async ({ signal }) => ({ json: await ports.peers({ signal }) })
    },
    { name: 'log-level', method: 'POST', path: '/log-level', handle: (request) => setLogLevel(request, ports) },
    {
      name: 'stop',
      method: 'POST',
      path: '/stop',
      handle: async () => ({ json: { stopping: true }, status: 202, afterwards: ports.stop })
    },
    { name: 'export', method: 'GET', path: '/export', handle: (request) => exportBlocks(request, ports) }
  ]
  if (ports.prune !== undefined) routes.push(pruneRoute(ports.prune))
  if (ports.windDown !== undefined) routes.push(windDownRoute(ports.windDown))
  if (ports.db !== undefined) routes.push(...dbRoutes(ports.db))
  const { ingest } = ports
  if (ingest !== undefined) {
    routes.push({
      name: 'ingest',
      method: 'POST',
      path: '/ingest',
      handle: async (request) => {
        const block = ingestBlockOf(request)
        return { json: await ingest(block, request.body(), { signal: request.signal }) }
      }
    })
  }
  return routes
}

async function setLogLevel(request: AdminRequest, ports: AdminPorts): Promise<AdminAnswer> {
  const body = (await request.json()) as { readonly level?: unknown; readonly room?: unknown } | null
  const { level, room } = typeof body === 'object' && body !== null ? body : {}
  if (!isLogLevel(level)) throw new ApiError('bad-json', `'level' is one of ${LOG_LEVELS.join(', ')}`)
  if (room !== undefined && !(typeof room === 'string' && /^[a-z][a-z0-9/-]{0,63}$/.test(room))) {
    throw new ApiError('bad-json', "'room' is the name of a room, such as 'exchange'")
  }
  if (!ports.setLogLevel(level, room)) throw new ApiError('bad-json', `there is no room '${room}'`)
  return { json: { level, room: room ?? null } }
}

async function exportBlocks(request: AdminRequest, ports: AdminPorts): Promise<AdminAnswer> {
  const height = request.parameter('height')
  if (height !== undefined) {
    const block = await ports.reader.find(String(heightOf(request, 'height')))
    return { stream: ports.reader.car(block, { signal: request.signal }), contentType: CAR_CONTENT_TYPE }
  }
  if (request.parameter('executionDataId') !== undefined) {
    const id = executionDataIdOf(request)
    return { stream: ports.reader.tree(id, { signal: request.signal }), contentType: CAR_CONTENT_TYPE }
  }
  const from = heightOf(request, 'from')
  const to = heightOf(request, 'to')
  if (from > to) throw new ApiError('bad-height', `'from' (${from}) is above 'to' (${to})`)
  return { json: await exportPage(ports.tracker, from, to) }
}

async function exportPage(tracker: Pick<Tracker, 'blocks'>, from: Height, to: Height): Promise<ExportPage> {
  const blocks: TrackedBlock[] = []
  for await (const block of tracker.blocks(from, to)) {
    if (blocks.length === EXPORT_PAGE_BLOCKS) return { blocks, next: block.height }
    blocks.push(block)
  }
  return { blocks, next: null }
}

function heightOf(request: AdminRequest, name: string): Height {
  const height = parseHeight(request.parameter(name))
  if (height === undefined)
    throw new ApiError('bad-height', `'${name}' is a height: 1 to 16 decimal digits, below 2^53`)
  return height
}

function ingestBlockOf(request: AdminRequest): IngestBlock {
  const height = heightOf(request, 'height')
  const blockId = parseBlockId(request.parameter('blockId'))
  if (blockId === undefined) throw new ApiError('bad-block-id', "'blockId' is 64 hex digits")
  return { height, blockId, executionDataId: executionDataIdOf(request) }
}

function executionDataIdOf(request: AdminRequest): ExecutionDataId {
  const id = parseExecutionDataId(request.parameter('executionDataId'))
  if (id === undefined) throw new ApiError('bad-request', "'executionDataId' is 64 hex digits")
  return id
}
