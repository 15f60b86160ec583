/** What the tests of the three listeners share: a store filled from the golden chain, raw sockets, and small listeners. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { Registry } from 'prom-client'
import {
  ApiListener,
  createApiMetrics,
  defaultApiOptions,
  ExecutionDataReader,
  type TreeDescription
} from '#src/api/index.ts'
import { createBudgetMetrics, defaultBudgetOptions, MemoryBudget } from '#src/budget/index.ts'
import { type Logger, silentLogger } from '#src/log/index.ts'
import {
  type Blob,
  BlobCid,
  type BlockId,
  type ExecutionDataId,
  parseBlockId,
  parseExecutionDataId,
  verifyBlob
} from '#src/model/index.ts'
import type { TrackedBlock } from '#src/tracker/tracker.ts'
import { concatBytes, readVarint, systemClock, varintLength, writeVarint } from '#src/util/index.ts'

const chain = new URL('../fixtures/chain/', import.meta.url)

export const fixtureCar = (height: number): Uint8Array => readFileSync(new URL(`${height}.car`, chain))

export function fixtureBlocks(): TrackedBlock[] {
  const lines = readFileSync(new URL('blocks.jsonl', chain), 'utf8').trim().split('\n')
  return lines.map((line) => {
    const { height, blockId, executionDataId } = JSON.parse(line) as Record<string, unknown>
    const ids = [parseBlockId(blockId), parseExecutionDataId(executionDataId)] as [BlockId, ExecutionDataId]
    return { height: height as number, blockId: ids[0], executionDataId: ids[1], trackedAtMs: 0 }
  })
}

/** The header and the verified blobs of a CARv1 file whose CIDs are all CIDv0. */
function readCar(bytes: Uint8Array): { readonly header: Uint8Array; readonly blobs: readonly Blob[] } {
  const blobs: Blob[] = []
  let header: Uint8Array | undefined
  for (let at = 0; at < bytes.length; ) {
    const length = readVarint(bytes, at)
    assert.ok(length)
    const end = length.next + length.value
    if (header === undefined) header = bytes.subarray(0, end)
    else {
      const cid = BlobCid.fromBytes(bytes.subarray(length.next, length.next + 34))
      assert.ok(cid)
      const blob = verifyBlob(cid, bytes.subarray(length.next + 34, end))
      assert.ok(blob)
      blobs.push(blob)
    }
    at = end
  }
  assert.ok(header)
  return { header, blobs }
}

/** The header of a CARv1 file with one root: DAG-CBOR of `{roots: [cid], version: 1}`. */
function carHeader(root: BlobCid): Uint8Array {
  const parts = [
    Buffer.from('a265726f6f747381d82a582300', 'hex'),
    root.toBytes(),
    Buffer.from('6776657273696f6e01', 'hex')
  ]
  return concatBytes([Uint8Array.of(parts.reduce((sum, part) => sum + part.length, 0)), ...parts])
}

async function* encodeCar(root: BlobCid, blobs: AsyncIterable<Blob>): AsyncGenerator<Uint8Array> {
  yield carHeader(root)
  for await (const { cid, bytes } of blobs) {
    const length = 34 + bytes.length
    const head = new Uint8Array(varintLength(length) + 34)
    head.set(cid.toBytes(), writeVarint(head, 0, length))
    yield head
    yield bytes
  }
}

/** Execution data by height and blobs by CID, in memory, with switches for what can go wrong. */
export class MemoryArchive {
  readonly blocksByHeight = new Map<number, TrackedBlock>()
  readonly trees = new Map<ExecutionDataId, readonly Blob[]>()
  readonly blobs = new Map<string, Blob>()
  lowest: number | undefined
  highest: number | undefined
  prunedTo: number | undefined
  feed: number | undefined
  /** Blobs taken by readers, and readers that are at work. */
  pulled = 0
  reading = 0
  /** Runs before the blob of this index is given. */
  before: (index: number, signal: AbortSignal) => Promise<void> = async () => {}
  /** Runs before a single blob is given. */
  beforeBlob: () => Promise<void> = async () => {}

  add(block: TrackedBlock, blobs: readonly Blob[]): void {
    this.blocksByHeight.set(block.height, block)
    this.trees.set(block.executionDataId, blobs)
    for (const blob of blobs) this.blobs.set(blob.cid.key, blob)
    this.lowest = Math.min(this.lowest ?? block.height, block.height)
    this.highest = Math.max(this.highest ?? block.height, block.height)
  }

  addFixture(...heights: number[]): TrackedBlock[] {
    return fixtureBlocks()
      .filter((block) => heights.includes(block.height))
      .map((block) => {
        this.add(block, readCar(fixtureCar(block.height)).blobs)
        return block
      })
  }

  async blockAt(height: number): Promise<TrackedBlock | undefined> {
    return this.blocksByHeight.get(height)
  }

  async blockById(id: BlockId): Promise<TrackedBlock | undefined> {
    return [...this.blocksByHeight.values()].find((block) => block.blockId === id)
  }

  async *blocks(from: number, to: number): AsyncGenerator<TrackedBlock> {
    for (const height of [...this.blocksByHeight.keys()].sort((a, b) => a - b)) {
      const block = this.blocksByHeight.get(height)
      if (height >= from && height <= to && block !== undefined) yield block
    }
  }

  async *readTree(id: ExecutionDataId, options: { readonly signal: AbortSignal }): AsyncGenerator<Blob> {
    this.reading += 1
    try {
      for (const [index, blob] of (this.trees.get(id) ?? []).entries()) {
        await this.before(index, options.signal)
        options.signal.throwIfAborted()
        this.pulled += 1
        yield blob
      }
    } finally {
      this.reading -= 1
    }
  }

  async describeTree(id: ExecutionDataId, onBlob: () => void): Promise<TreeDescription> {
    const blobs = this.trees.get(id) ?? []
    for (const _ of blobs) onBlob()
    return {
      blobs: blobs.map(({ cid, bytes }) => ({ cid, size: bytes.length })),
      chunks: blobs.slice(1).map(({ cid }) => ({ cid, levels: 1 }))
    }
  }
}

/** Log lines, to be searched. */
export function recordingLogger(lines: { level: string; fields: object; message: string }[]): Logger {
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields, message })
  }
  return { ...silentLogger, warn: at('warn'), error: at('error'), child: () => recordingLogger(lines) }
}

type Partials = {
  readonly api?: Partial<typeof defaultApiOptions.api>
  readonly reader?: Partial<typeof defaultApiOptions.reader>
  readonly accountBytes?: number
}

/** An API listener over an archive, started on a free port. */
export async function startApi(archive: MemoryArchive, options: Partials = {}) {
  const register = new Registry()
  const metrics = createApiMetrics(register)
  const lines: { level: string; fields: object; message: string }[] = []
  const accountBytes = { ...defaultBudgetOptions.accountBytes, api: options.accountBytes ?? 16 * 1_048_576 }
  const budget = new MemoryBudget({ metrics: createBudgetMetrics(register) }, { ...defaultBudgetOptions, accountBytes })
  const account = budget.account('api')
  const reader = new ExecutionDataReader(
    {
      tracker: archive,
      feedHighest: () => archive.feed,
      readTree: (id, tree) => archive.readTree(id, tree),
      describeTree: (id, tree) => archive.describeTree(id, tree.onBlob),
      encodeCar,
      account,
      metrics
    },
    { ...defaultApiOptions.reader, ...options.reader }
  )
  const blobs = {
    pin: async (cid: BlobCid) => {
      await archive.beforeBlob()
      const blob = archive.blobs.get(cid.key)
      return blob === undefined ? undefined : { blob, release: () => undefined }
    },
    getSize: async (cid: BlobCid) => archive.blobs.get(cid.key)?.bytes.length
  }
  const sent = { bytes: 0 }
  const onSent = (bytes: number): void => {
    sent.bytes += bytes
  }
  const listener = new ApiListener(
    { clock: systemClock, logger: recordingLogger(lines), metrics, reader, blobs, account, onSent },
    { ...defaultApiOptions.api, port: 0, stopDeadlineMs: 500, ...options.api }
  )
  await listener.start()
  const port = listener.address?.port
  assert.ok(port !== undefined && port > 0)
  return { listener, port, account, register, metrics, lines, reader, sent }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** The body as JSON. */
  readonly json: { readonly [key: string]: unknown } & {
    readonly error: { readonly code: string; readonly message: string; readonly [key: string]: unknown }
  }
}

type Target = { readonly port: number } | { readonly socketPath: string }
type AskOptions = { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string }

/** Sends a request and resolves with the answer's head; its body is left to the caller. */
export function open(target: Target, path: string, options: AskOptions = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      ...target,
      ...('port' in target ? { host: '127.0.0.1' } : {}),
      agent: false,
      path,
      method: options.method ?? 'GET',
      headers: options.headers ?? {}
    })
    request.once('response', resolve)
    request.once('error', reject)
    request.end(options.body)
  })
}

/** The whole answer; rejects when the connection ends before that. */
export async function ask(target: Target, path: string, options: AskOptions = {}): Promise<Answer> {
  const answer = await open(target, path, options)
  const parts: Buffer[] = []
  for await (const part of answer) parts.push(part as Buffer)
  const body = Buffer.concat(parts)
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    body,
    get json() {
      return JSON.parse(body.toString()) as Answer['json']
    }
  }
}

/** Opens a socket, sends the text, and resolves with all that comes until the other side closes. */
export function rawExchange(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let received = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    socket.setEncoding('latin1')
    socket.on('data', (part: string) => {
      received += part
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(received))
    socket.on('end', () => socket.end())
  })
}

/** A socket whose owner never reads. Resolves when the request is sent. */
export function sendOnly(port: number, text: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.pause()
      socket.write(text, () => resolve(socket))
    })
  })
}

export async function valueOf(register: Registry, name: string, labels: Record<string, string> = {}): Promise<number> {
  const metric = await register.getSingleMetric(name)?.get()
  assert.ok(metric, `no metric ${name}`)
  return metric.values
    .filter((value) =>
      Object.entries(labels).every(([key, text]) => (value.labels as Record<string, unknown>)[key] === text)
    )
    .reduce((sum, value) => sum + value.value, 0)
}

/** Resolves when the condition holds; gives up after some 20 s, far beyond what any test here needs. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries += 1) {
    assert.ok(tries < 4_000, `this never came true: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
