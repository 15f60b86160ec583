import { createHash } from 'node:crypto'
import { FeedError } from '#src/feed/errors.ts'
import type { AccessHost, CallOptions, SealedHeader } from '#src/feed/index.ts'
import {
  type BlockId,
  type ExecutionDataId,
  type Height,
  parseBlockId,
  parseExecutionDataId
} from '#src/model/index.ts'

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Ids of a made-up chain; another `fork` gives another chain. */
export const blockIdAt = (height: Height, fork = ''): BlockId =>
  parseBlockId(digest(`block ${fork} ${height}`)) as BlockId
export const executionDataIdAt = (height: Height, fork = ''): ExecutionDataId =>
  parseExecutionDataId(digest(`data ${fork} ${height}`)) as ExecutionDataId

export type Behaviour = 'honest' | 'stalls' | 'unreachable' | 'empty-ids' | 'other-data' | 'other-chain' | 'no-results'

/** A host of the Access API that behaves as the test says. */
export class FakeAccessHost implements AccessHost {
  readonly name: string
  behaviour: Behaviour = 'honest'
  latest: Height
  closed = false
  /** Calls by name and height. */
  readonly calls: string[] = []

  constructor(name: string, latest: Height) {
    this.name = name
    this.latest = latest
  }

  async latestSealed(options: CallOptions): Promise<SealedHeader> {
    await this.#enter('latest', options)
    return this.#header(this.latest)
  }

  async headerAt(height: Height, options: CallOptions): Promise<SealedHeader> {
    await this.#enter(`header ${height}`, options)
    if (height > this.latest) throw new FeedError('not-found', 'no such block')
    return this.#header(height)
  }

  async executionDataIdOf(blockId: BlockId, options: CallOptions): Promise<ExecutionDataId> {
    await this.#enter('result', options)
    if (this.behaviour === 'empty-ids') throw new FeedError('execution-data-id-empty', 'empty')
    if (this.behaviour === 'no-results') throw new FeedError('not-found', 'no result yet')
    for (let height = this.latest; height >= 0; height -= 1) {
      if (this.#header(height).blockId !== blockId) continue
      return executionDataIdAt(height, this.behaviour === 'other-data' ? 'other' : '')
    }
    throw new FeedError('not-found', 'no such block')
  }

  close(): void {
    this.closed = true
  }

  #header(height: Height): SealedHeader {
    const fork = this.behaviour === 'other-chain' ? 'other' : ''
    return { height, blockId: blockIdAt(height, fork), parentId: blockIdAt(height - 1, fork) }
  }

  async #enter(call: string, { signal }: CallOptions): Promise<void> {
    this.calls.push(call)
    if (this.behaviour === 'unreachable') throw new FeedError('host-unreachable', 'connection refused')
    if (this.behaviour !== 'stalls') return
    await new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }
}
