import { messageOf } from '../../util/index.ts'
import { LabError } from '../errors.ts'

/** One value for each slice of the time; `null` where there is none. */
export type Points = readonly (number | null)[]

/** Slices of the time, each ending at one of the points of a query. */
export interface Slices {
  /** Where the first one ends, Unix time, s. */
  readonly firstEnd: number
  readonly seconds: number
  readonly count: number
}

/** One series of a thousand points is 30 KB; queries here answer with one. */
const MAX_BODY_BYTES = 1024 * 1024

interface Answer {
  readonly status?: unknown
  readonly error?: unknown
  readonly data?: { readonly result?: unknown }
}

/** Asks a Prometheus by its HTTP API (`/api/v1/query_range`). */
export class PrometheusClient {
  readonly #base: string
  readonly #timeoutMs: number

  constructor(options: { readonly url: string; readonly timeoutMs: number }) {
    this.#base = options.url.replace(/\/+$/, '')
    this.#timeoutMs = options.timeoutMs
  }

  /**
   * The values of an expression that has one series at most. Throws LabError `prometheus-unreachable` when nobody answers in time,
   * `prometheus-refused` for an answer that is none, and the signal's reason.
   */
  async points(expr: string, slices: Slices, { signal }: { readonly signal: AbortSignal }): Promise<Points> {
    const { firstEnd, seconds, count } = slices
    const query = new URLSearchParams({
      query: expr,
      start: String(firstEnd),
      end: String(firstEnd + seconds * (count - 1)),
      step: String(seconds)
    })
    const answer = await this.#get(`/api/v1/query_range?${query.toString()}`, signal)
    const result = answer.data?.result
    if (answer.status !== 'success' || !Array.isArray(result))
      throw this.#refused(typeof answer.error === 'string' ? answer.error : 'it has no result')
    if (result.length > 1) throw this.#refused(`${result.length} series for ${expr}`)
    const points: (number | null)[] = Array.from({ length: count }, () => null)
    for (const [time, value] of valuesOf(result[0])) {
      const at = Math.round((time - firstEnd) / seconds)
      if (at >= 0 && at < count && Number.isFinite(Number(value))) points[at] = Number(value)
    }
    return points
  }

  async #get(path: string, signal: AbortSignal): Promise<Answer> {
    const ended = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)])
    let text: string
    try {
      text = await bodyOf(await fetch(`${this.#base}${path}`, { signal: ended }))
    } catch (cause) {
      signal.throwIfAborted()
      if (cause instanceof LabError) throw cause
      const why = ended.aborted ? `no answer within ${this.#timeoutMs / 1000} s` : reasonOf(cause)
      throw new LabError(
        'prometheus-unreachable',
        `Prometheus at ${this.#base}: ${why}; check --url and that it runs`,
        {
          cause
        }
      )
    }
    try {
      const answer: unknown = JSON.parse(text)
      if (typeof answer === 'object' && answer !== null) return answer
    } catch {
      // Below: a proxy's page, or another server.
    }
    throw this.#refused('the answer is not JSON: is it a Prometheus?')
  }

  #refused(why: string): LabError {
    return new LabError('prometheus-refused', `Prometheus at ${this.#base}: ${why}`)
  }
}

/** `fetch` hides what happened behind its own words. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown }
  return messageOf(cause === undefined ? error : cause)
}

async function bodyOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > MAX_BODY_BYTES)
      throw new LabError(
        'prometheus-refused',
        `${response.url.split('?')[0]} answers more than ${MAX_BODY_BYTES} bytes`
      )
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function valuesOf(series: unknown): (readonly [time: number, value: unknown])[] {
  const values = (series as { readonly values?: unknown } | undefined)?.values
  if (!Array.isArray(values)) return []
  return values.flatMap((value: unknown) =>
    Array.isArray(value) && typeof value[0] === 'number' ? [[value[0], value[1]] as const] : []
  )
}
