import { type Height, parseHeight } from '../../model/index.ts'
import { ApiError } from '../errors.ts'
import type { AdminRequest, AdminRoute } from './admin-listener.ts'

/** Pruning on an operator's word. */
export interface PrunePorts {
  /** What would go; nothing does. */
  readonly plan: (options: { readonly below?: Height; readonly signal: AbortSignal }) => Promise<object>
  /** Begins to prune below a height and returns at once; throws what says that it must not. The status has the progress. */
  readonly begin: (below: Height) => void
}

/** `POST /prune` with `{"below"?: HEIGHT, "dryRun"?: BOOLEAN}`. */
export function pruneRoute(ports: PrunePorts): AdminRoute {
  return {
    name: 'prune',
    method: 'POST',
    path: '/prune',
    handle: async (request) => {
      const { below, dryRun } = await orderOf(request)
      if (dryRun) {
        const { signal } = request
        return { json: await ports.plan({ signal, ...(below === undefined ? {} : { below }) }) }
      }
      // Without a height retention decides, and that is under way at all times.
      if (below !== undefined) ports.begin(below)
      return { json: { pruning: true }, status: 202 }
    }
  }
}

async function orderOf(
  request: AdminRequest
): Promise<{ readonly below: Height | undefined; readonly dryRun: boolean }> {
  const body = (await request.json()) as { readonly below?: unknown; readonly dryRun?: unknown } | null
  const { below, dryRun = false } = typeof body === 'object' && body !== null ? body : {}
  if (typeof dryRun !== 'boolean') throw new ApiError('bad-json', "'dryRun' is true or false")
  if (below === undefined) return { below, dryRun }
  const height = typeof below === 'number' ? parseHeight(String(below)) : undefined
  if (height === undefined) throw new ApiError('bad-height', "'below' is a height: a whole number below 2^53")
  return { below: height, dryRun }
}
