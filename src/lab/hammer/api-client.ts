import { Agent, get, type IncomingMessage } from 'node:http'
import type { Outcome } from './tally.ts'

/** What is kept of an answer that is no data: enough for an error's code. */
const MAX_ERROR_BYTES = 4_096

/** Reads a node's HTTP interface as many clients would. Bodies are counted and thrown away. */
export class ApiClient {
  readonly #agent: Agent

  constructor(options: { readonly connections: number }) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.connections })
  }

  /** 200 is served; 4xx and 5xx with an error code are clean refusals; a broken connection is neither. */
  async read(
    url: string,
    options: {
      readonly signal: AbortSignal
      readonly bytesPerSecond?: number
      readonly headers?: Record<string, string>
    }
  ): Promise<Outcome> {
    const { signal, headers } = options
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(url, { agent: this.#agent, signal, ...(headers === undefined ? {} : { headers }) }, resolve).on(
        'error',
        reject
      )
    })
    const { statusCode = 0 } = response
    let bytes = 0
    const kept: Buffer[] = []
    for await (const part of response as AsyncIterable<Buffer>) {
      bytes += part.length
      if (statusCode !== 200 && bytes <= MAX_ERROR_BYTES) kept.push(part)
    }
    if (statusCode === 200) return { kind: 'ok', bytes }
    return { kind: 'rejected', by: errorCode(Buffer.concat(kept).toString('utf8')) ?? `http-${statusCode}` }
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** `{"error": {"code"}}` or `{"code"}`; `undefined` for anything else. */
function errorCode(text: string): string | undefined {
  try {
    const value = JSON.parse(text) as { code?: unknown; error?: { code?: unknown } | string } | null
    const code = value?.code ?? (typeof value?.error === 'object' ? value.error.code : value?.error)
    return typeof code === 'string' ? code : undefined
  } catch {
    return undefined
  }
}
