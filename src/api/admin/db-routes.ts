import { parseHeight } from '../../model/index.ts'
import { ApiError } from '../errors.ts'
import type { AdminRoute } from './admin-listener.ts'

/** Work on a running node's store, and what is in it. */
export interface DbPorts {
  /** Begins to read and hash every blob, or lets go on what is under way; the status has the progress. */
  readonly verify: (options: { readonly bytesPerSecond: number | undefined }) => object
  readonly stats: () => Promise<object>
}

/** `POST /db/verify` with `{"bytesPerSecond"?}`, and `GET /db/stats`. */
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
    { name: 'db-stats', method: 'GET', path: '/db/stats', handle: async () => ({ json: await ports.stats() }) }
  ]
}
