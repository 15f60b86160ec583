import { createHash } from 'node:crypto'
import { Agent, get, type IncomingMessage } from 'node:http'
import { LabError } from '../errors.ts'

/** A status document of 200 peers is some 30 KB, a node's metrics some 200 KB. */
const MAX_BODY_BYTES = 4 * 1024 * 1024

/** Reads the HTTP interfaces of nodes on loopback. `close` ends its connections. */
export class LabHttp {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 2 })

  /** Throws LabError `bad-answer` for any status but 200, and for a body that is too long or not JSON. */
  async json(url: string, options: { readonly signal: AbortSignal }): Promise<unknown> {
    const text = await this.text(url, options)
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw new LabError('bad-answer', `${url} does not answer JSON`, { cause })
    }
  }

  /** Throws LabError `bad-answer` for any status but 200, and for a body that is too long. */
  async text(url: string, options: { readonly signal: AbortSignal }): Promise<string> {
    const response = await this.#get(url, options.signal)
    const parts: Buffer[] = []
    let length = 0
    for await (const part of response as AsyncIterable<Buffer>) {
      length += part.length
      if (length > MAX_BODY_BYTES) throw new LabError('bad-answer', `${url} answers more than ${MAX_BODY_BYTES} bytes`)
      parts.push(part)
    }
    return Buffer.concat(parts).toString('utf8')
  }

  /** The sha-256 of the body in hex; the body is not kept. Throws LabError `bad-answer` for any status but 200. */
  async sha256(url: string, options: { readonly signal: AbortSignal }): Promise<string> {
    const hash = createHash('sha256')
    for await (const part of (await this.#get(url, options.signal)) as AsyncIterable<Buffer>) hash.update(part)
    return hash.digest('hex')
  }

  close(): void {
    this.#agent.destroy()
  }

  async #get(url: string, signal: AbortSignal): Promise<IncomingMessage> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(url, { agent: this.#agent, signal }, resolve).on('error', reject)
    })
    if (response.statusCode === 200) return response
    response.resume()
    throw new LabError('bad-answer', `${url} answers ${response.statusCode}`, {
      details: { status: response.statusCode }
    })
  }
}
