import type { MemoryAccount } from '../budget/account.ts'
import { BlobCid } from '../model/index.ts'
import type { Blockstore, PinnedBlob, Warehouse } from '../store/index.ts'
import { ApiError } from './errors.ts'
import type { ExecutionDataReader } from './execution-data-reader.ts'
import { type HttpCall, noneMatch } from './http/call.ts'
import type { Route } from './http/route.ts'
import { type ListenerComponents, TcpListener } from './http/tcp-listener.ts'
import type { ApiListenerOptions } from './options.ts'
import { reserveFor } from './refusals.ts'

export interface ApiListenerComponents extends ListenerComponents {
  readonly reader: Pick<ExecutionDataReader, 'find' | 'describe' | 'car'>
  readonly blobs: Pick<Blockstore, 'getSize'> & Pick<Warehouse, 'pin'>
  /** Pays for single blobs and JSON on their way to the reader. */
  readonly account: MemoryAccount
}

/** A blob's bytes never change: whoever has them need not ask again. */
const IMMUTABLE = 'public, max-age=31536000, immutable'

export const CAR_CONTENT_TYPE = 'application/vnd.ipld.car; version=1'

/**
 * Execution data and blobs for clients: `GET /v1/execution-data/HEIGHT|BLOCK_ID?format=car|json` and `GET /v1/blobs/CID`. Read only,
 * so it takes no credentials; what it defends is the node's memory and its places for readers.
 */
export class ApiListener extends TcpListener {
  constructor(components: ApiListenerComponents, options: ApiListenerOptions) {
    const routes = [executionDataRoute(components), blobRoute(components, options.maxBlobReads)]
    super({ ...components, routes }, { ...options, name: 'api', flag: '--api-address' })
  }
}

function formatOf(call: HttpCall): 'car' | 'json' {
  const values = call.query.getAll('format')
  const format = values[0] ?? 'car'
  if (values.length > 1 || (format !== 'car' && format !== 'json')) {
    throw new ApiError('bad-format', "format is 'car' (the default) or 'json', given once")
  }
  return format
}

function executionDataRoute(components: ApiListenerComponents): Route {
  const { reader, account } = components
  return {
    name: 'execution-data',
    methods: ['GET', 'HEAD'],
    path: '/v1/execution-data/:block',
    handle: async (call) => {
      const format = formatOf(call)
      const block = await reader.find(call.params['block'] ?? '')
      const etag = `"${BlobCid.fromExecutionDataId(block.executionDataId).toString()}.${format}"`
      const headers = { ETag: etag, 'Cache-Control': 'no-cache' }
      if (noneMatch(call.headers['if-none-match'], etag)) return call.empty(304, headers)
      if (format === 'json') {
        const description = await reader.describe(block, { signal: call.signal })
        return withBytes(call, { account, value: description, headers })
      }
      const all = {
        ...headers,
        'Content-Type': CAR_CONTENT_TYPE,
        'Content-Disposition': `attachment; filename="${block.height}.car"`
      }
      if (call.method === 'HEAD') return call.empty(200, all)
      return call.stream(reader.car(block, { signal: call.signal }), all)
    }
  }
}

/** A JSON answer whose text is paid for: the description of a large tree has some MB. */
async function withBytes(
  call: HttpCall,
  answer: {
    readonly account: MemoryAccount
    readonly value: object
    readonly headers: Readonly<Record<string, string>>
  }
): Promise<void> {
  const { account, value, headers } = answer
  const bytes = Buffer.from(`${JSON.stringify(value)}\n`)
  reserveFor(account, bytes.length, 'the answer')
  try {
    await call.bytes(bytes, { status: 200, headers: { ...headers, 'Content-Type': 'application/json; charset=utf-8' } })
  } finally {
    account.release(bytes.length)
  }
}

function blobRoute(components: ApiListenerComponents, maxBlobReads: number): Route {
  const { blobs, account } = components
  let reads = 0
  const absent = (): ApiError => new ApiError('unknown-blob', 'this node does not hold that blob')

  const send = async (call: HttpCall, read: { cid: BlobCid; size: number; headers: Record<string, string> }) => {
    if (reads >= maxBlobReads) {
      throw new ApiError('too-many-streams', `${maxBlobReads} blobs are being read, which is the limit; try again`, {
        details: { limit: 'api.api.maxBlobReads', limitCount: maxBlobReads }
      })
    }
    reserveFor(account, read.size, 'the blob')
    reads += 1
    let pinned: PinnedBlob | undefined
    try {
      pinned = await blobs.pin(read.cid)
      call.signal.throwIfAborted()
      if (pinned === undefined) throw absent()
      await call.bytes(pinned.blob.bytes, { status: 200, headers: read.headers })
    } finally {
      pinned?.release()
      reads -= 1
      account.release(read.size)
    }
  }

  return {
    name: 'blobs',
    methods: ['GET', 'HEAD'],
    path: '/v1/blobs/:cid',
    handle: async (call) => {
      const cid = BlobCid.parse(call.params['cid'] ?? '')
      if (cid === undefined) throw new ApiError('bad-cid', 'a CID here is a CIDv0: Qm and 44 base58 characters')
      const size = await blobs.getSize(cid)
      if (size === undefined) throw absent()
      const headers = {
        'Content-Type': 'application/octet-stream',
        ETag: `"${cid.toString()}"`,
        'Cache-Control': IMMUTABLE
      }
      if (noneMatch(call.headers['if-none-match'], headers.ETag)) return call.empty(304, headers)
      if (call.method === 'HEAD') return call.empty(200, { ...headers, 'Content-Length': String(size) })
      return send(call, { cid, size, headers })
    }
  }
}
