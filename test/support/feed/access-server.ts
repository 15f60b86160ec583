import { createServer, type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { AccessAPI } from '#src/feed/flow-access/generated/flow/access/access_pb.ts'
import { blockIdAt, executionDataIdAt } from './access-hosts.ts'

/** A chain, in hex. */
export interface Ids {
  blockId(height: number): string | undefined
  executionDataId(height: number): string | undefined
}

const MADE_UP: Ids = { blockId: (height) => blockIdAt(height), executionDataId: (height) => executionDataIdAt(height) }

const bytes = (hex: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(hex, 'hex'))

/** What the server does with the next answers; everything else is honest. */
export interface Script {
  latest: number
  huge?: boolean
  stall?: boolean
  emptyId?: boolean
  shortId?: boolean
  otherHeight?: boolean
  otherBlock?: boolean
  noHeader?: boolean
  code?: Code
}

export class AccessServer {
  script: Script = { latest: 120 }
  readonly #ids: Ids
  readonly #http: Http2Server
  readonly #sessions = new Set<{ destroy(): void }>()
  port = 0

  constructor(ids: Ids = MADE_UP) {
    this.#ids = ids
    this.#http = createServer(connectNodeAdapter({ routes: (router) => this.#routes(router) }))
    this.#http.on('session', (session) => {
      this.#sessions.add(session)
      session.on('close', () => this.#sessions.delete(session))
    })
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  async listen(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.#http.listen(port, '127.0.0.1', resolve))
    this.port = (this.#http.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#http.close(resolve))
    for (const session of this.#sessions) session.destroy()
    await closed
  }

  #routes(router: ConnectRouter): void {
    router.service(AccessAPI, {
      getLatestBlockHeader: async ({ isSealed }) => {
        if (!isSealed) throw new ConnectError('the feed asks for sealed blocks', Code.InvalidArgument)
        await this.#enter()
        return { block: this.#header(this.script.latest) }
      },
      getBlockHeaderByHeight: async ({ height }) => {
        await this.#enter()
        if (Number(height) > this.script.latest) throw new ConnectError('no such block', Code.NotFound)
        if (this.script.noHeader === true) return {}
        return { block: this.#header(Number(height) + (this.script.otherHeight === true ? 1 : 0)) }
      },
      getExecutionResultForBlockID: async ({ blockId }) => {
        await this.#enter()
        const asked = Buffer.from(blockId).toString('hex')
        const height = Array.from({ length: 1_000 }, (_, i) => this.script.latest - i).find(
          (at) => this.#ids.blockId(at) === asked
        )
        if (height === undefined) throw new ConnectError('no such block', Code.NotFound)
        const id = bytes(this.#ids.executionDataId(height) ?? '')
        return {
          executionResult: {
            blockId: this.script.otherBlock === true ? bytes(this.#ids.blockId(height + 1) ?? '') : blockId,
            executionDataId:
              this.script.emptyId === true ? new Uint8Array(0) : this.script.shortId === true ? id.slice(1) : id,
            serviceEvents:
              this.script.huge === true ? [{ type: 'flow.EpochSetup', payload: new Uint8Array(6_000_000) }] : []
          }
        }
      }
    })
  }

  async #enter(): Promise<void> {
    if (this.script.code !== undefined) throw new ConnectError('as the test says', this.script.code)
    if (this.script.stall === true) await new Promise(() => undefined)
  }

  #header(height: number) {
    return {
      height: BigInt(height),
      id: bytes(this.#ids.blockId(height) ?? ''),
      parentId: bytes(this.#ids.blockId(height - 1) ?? '00'.repeat(32))
    }
  }
}
