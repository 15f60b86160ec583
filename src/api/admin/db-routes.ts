import { BlobCid, parseHeight } from '../../model/index.ts'
import { ApiError } from '../errors.ts'
import type { AdminRoute } from './admin-listener.ts'

/** Work on a running node's store, and what is in it. */
export interface DbPorts {
  /** Begins to read and hash every blob, or lets go on what is under way; the status has the progress. */
  readonly verify: (options: { readonly bytesPerSecond: number | undefined }) => object
  readonly stats: () => Promise<object>
  /** What is known of one blob, read from the disk and hashed. */
  readonly blob: (cid: BlobCid) => Promise<object>
}

/** `POST /db/verify` with `{"bytesPerSecond"?}`, `GET /db/stats`, and `GET /db/blob?cid=`. */
export function dbRoutes(ports: DbPorts): AdminRoute[] {
  return [
    {
      name: 'db-verify',
      method: 'POST',
      path: '/db/verify',
      handle: async (request) => {
        const body = (await request.json()) as { readonly bytesPerSecond?: unknown } | null
        const rate = typeof body === 'object' && body !== null ? body.bytesPerSecond : undefined
        if (rate !== undefined && (typeof rate !== 'number' || parseHeight(String(rate)) === undefined)) {
          throw new ApiError('bad-json', "'bytesPerSecond' is a whole number")
        }
        return { json: ports.verify({ bytesPerSecond: rate }), status: 202 }
      }
    },
    { name: 'db-stats', method: 'GET', path: '/db/stats', handle: async () => ({ json: await ports.stats() }) },
    {
      name: 'db-blob',
      method: 'GET',
      path: '/db/blob',
      handle: async (request) => {
        const cid = BlobCid.parse(request.parameter('cid') ?? '')
        if (cid === undefined) throw new ApiError('bad-cid', "'cid' is a CIDv0 (Qm…)")
        return { json: await ports.blob(cid) }
      }
    }
  ]
}
