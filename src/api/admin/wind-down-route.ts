import { type Height, parseHeight } from '../../model/index.ts'
import { ApiError } from '../errors.ts'
import type { AdminRoute } from './admin-listener.ts'

/** Orders the node's end, or that of its old heights; resolves when that survives a restart. */
export type WindDownPort = (order: {
  readonly keepServingUntilMs?: number
  readonly bytesPerSecond?: number
  readonly below?: Height
}) => Promise<void>

/** `POST /wind-down` with `{"keepServingUntilMs"?, "bytesPerSecond"?, "below"?}`, all numbers. */
export function windDownRoute(order: WindDownPort): AdminRoute {
  return {
    name: 'wind-down',
    method: 'POST',
    path: '/wind-down',
    handle: async (request) => {
      const body = (await request.json()) as Readonly<Record<string, unknown>> | null
      const given = typeof body === 'object' && body !== null ? body : {}
      const numbers: Record<string, number> = {}
      for (const name of ['keepServingUntilMs', 'bytesPerSecond', 'below'] as const) {
        const value = given[name]
        if (value === undefined) continue
        if (typeof value !== 'number' || parseHeight(String(value)) === undefined) {
          throw new ApiError('bad-json', `'${name}' is a whole number`)
        }
        numbers[name] = value
      }
      await order(numbers)
      return { json: { windingDown: true }, status: 202 }
    }
  }
}
