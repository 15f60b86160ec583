import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { BlobCid } from '#src/model/index.ts'
import { ApiListener, createApiMetrics, defaultApiOptions, ExecutionDataReader } from '#src/api/index.ts'
import { silentLogger } from '#src/log/index.ts'
import { createExecutionDataReading } from '#src/node/execution-data-reading.ts'
import { systemClock } from '#src/util/index.ts'
import type { Figures } from '../harness/report.ts'
import { ascending, latencies } from '../harness/statistics.ts'
import { fill, openStack, pause, say, type Stack, storeBlock } from './stack.ts'

const MIB = 1_048_576
/** Keys of the height that is shed, each a small blob: what a key costs does not depend on its bytes. */
const KEYS_A_BLOCK = 100
const KEY_BYTES = 64
/** What stays and is served: ten times the cache, so that most of it is paged in. */
const SERVED_BLOCKS = 200
const SYNC_MS = 1_000
const BASELINE_MS = 30_000
const LAG_EVERY_MS = 10
const CLIENT = fileURLToPath(new URL('./shed-client.ts', import.meta.url))

export interface ShedSettings {
  readonly dataDir: string
  readonly keys: number
  readonly servedBlocks?: number
  /** How long it is served and synced before anything is shed. */
  readonly baselineMs?: number
}

/** A store of so many keys, and behind them the blocks that stay. */
export async function prepareShed({ dataDir, keys, servedBlocks = SERVED_BLOCKS }: ShedSettings): Promise<Figures> {
  await mkdir(dataDir, { recursive: true })
  const stack = await openStack({ dataDir, cacheBytes: 0 })
  const blocks = Math.ceil(keys / KEYS_A_BLOCK)
  const began = performance.now()
  // Goes on where an earlier filling was cut short.
  const from = (stack.data.tracker.highest ?? 0) + 1
  await fill(stack, { from, to: blocks, blobs: KEYS_A_BLOCK, blobBytes: KEY_BYTES, atOnce: 40 }, (block) => {
    if (block % 4_000 === 0) say(`${block * KEYS_A_BLOCK} of ${keys} keys stored`)
  })
  const seconds = (performance.now() - began) / 1000
  await fill(stack, {
    from: Math.max(from, blocks + 1),
    to: blocks + servedBlocks,
    blobs: 3,
    blobBytes: MIB,
    atOnce: 4
  })
  await stack.close()
  return { keys: blocks * KEYS_A_BLOCK, fillSeconds: seconds }
}

/** Sheds the keys while blobs of 1 MiB are served over HTTP at 50 MB/s and blocks of 3 MiB come in, one a second. */
export async function shed(settings: ShedSettings): Promise<Figures> {
  const { dataDir, keys, servedBlocks = SERVED_BLOCKS, baselineMs = BASELINE_MS } = settings
  const stack = await openStack({ dataDir, cacheBytes: 64 * MIB })
  const blocks = Math.ceil(keys / KEYS_A_BLOCK)
  const lag = new Lag()
  const api = await listen(stack)
  const client = new Client()
  try {
    client.start(`http://127.0.0.1:${api.address?.port}`, await servedCids(stack, blocks + 1, blocks + servedBlocks))
    await client.served
    client.take()
    const syncing = new Syncing(stack, blocks + servedBlocks)
    say('serving and syncing, nothing else')
    await pause(baselineMs)
    const before = { lag: lag.take(), served: client.take() }
    await stack.pruner.start()
    const cpu = process.cpuUsage()
    const began = performance.now()
    const shedding = stack.pruner.pruneBelow(blocks + 1, { signal: new AbortController().signal })
    const ticker = setInterval(() => {
      const { backlogHeights, share } = stack.pruner.status()
      say(`${backlogHeights} of ${blocks} heights left, share ${share.toFixed(2)}`)
    }, 10_000)
    await shedding
    clearInterval(ticker)
    const seconds = (performance.now() - began) / 1000
    const { user, system } = process.cpuUsage(cpu)
    const during = { lag: lag.take(), served: client.take() }
    await syncing.stop()
    return {
      ...figuresOf('before', before),
      ...figuresOf('during', during),
      shedSeconds: seconds,
      keysPerSecond: (blocks * KEYS_A_BLOCK) / seconds,
      cpuShare: (user + system) / 1e6 / seconds,
      syncedMBs: syncing.bytes / 1e6 / syncing.seconds,
      left: stack.data.blockstore.stats().count - 3 * (servedBlocks + syncing.blocks),
      rssMiB: process.memoryUsage.rss() / MIB
    }
  } finally {
    lag.stop()
    client.stop()
    await api.stop()
    await stack.close()
  }
}

interface Served {
  readonly ms: readonly number[]
  readonly bytes: number
  readonly wrong: number
  readonly seconds: number
}

function figuresOf(
  when: string,
  { lag, served }: { readonly lag: readonly number[]; readonly served: Served }
): Figures {
  const { p50, p99 } = latencies(served.ms)
  return {
    [`${when}: lagMsP99`]: latencies(lag).p99,
    [`${when}: lagMsMost`]: ascending(lag).at(-1) ?? Number.NaN,
    [`${when}: servedMsP50`]: p50,
    [`${when}: servedMsP99`]: p99,
    [`${when}: servedMBs`]: served.bytes / 1e6 / served.seconds,
    [`${when}: wrong`]: served.wrong
  }
}

/** How late timers are. */
class Lag {
  #late: number[] = []
  #due = performance.now() + LAG_EVERY_MS
  readonly #timer = setInterval(() => {
    const now = performance.now()
    this.#late.push(Math.max(0, now - this.#due))
    this.#due = now + LAG_EVERY_MS
  }, LAG_EVERY_MS)

  take(): readonly number[] {
    return this.#late.splice(0)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

/** A block of 3 MiB a second, stored and tracked. */
class Syncing {
  bytes = 0
  blocks = 0
  readonly #began = performance.now()
  readonly #stack: Stack
  #next: number
  #stopped = false
  readonly #main: Promise<void>

  constructor(stack: Stack, highest: number) {
    this.#stack = stack
    this.#next = highest + 1
    this.#main = this.#run()
  }

  get seconds(): number {
    return (performance.now() - this.#began) / 1000
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#main
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const due = this.#began + (this.blocks + 1) * SYNC_MS
      await storeBlock(this.#stack, { height: this.#next, blobs: 3, blobBytes: MIB })
      this.#stack.done = this.#next
      this.#next += 1
      this.blocks += 1
      this.bytes += 3 * MIB
      await pause(Math.max(0, due - performance.now()))
    }
  }
}

async function servedCids({ data }: Stack, from: number, to: number): Promise<string[]> {
  const cids: BlobCid[] = []
  for (let height = from; height <= to; height += 1) {
    for await (const cid of data.tracker.cidsAt(height)) cids.push(cid)
  }
  return cids.map(String)
}

async function listen({ data, register }: Stack): Promise<ApiListener> {
  const metrics = createApiMetrics(register)
  const account = {
    name: 'api',
    capBytes: 256 * MIB,
    reservedBytes: 0,
    tryReserve: () => true,
    release: () => undefined
  }
  const reading = createExecutionDataReading({ blockstore: data.blockstore, register })
  const reader = new ExecutionDataReader(
    { tracker: data.tracker, feedHighest: () => undefined, ...reading.ports, metrics, account },
    defaultApiOptions.reader
  )
  const api = new ApiListener(
    { clock: systemClock, logger: silentLogger, metrics, reader, blobs: data.warehouse, account },
    { ...defaultApiOptions.api, host: '127.0.0.1', port: 0 }
  )
  await api.start()
  return api
}

/** The one that is served, in a process of its own. */
class Client {
  /** Resolves with the first answer. */
  readonly served: Promise<void>
  #first: () => void = () => undefined
  #child: ChildProcess | undefined
  #ms: number[] = []
  #bytes = 0
  #wrong = 0
  #since = performance.now()

  constructor() {
    this.served = new Promise((resolve) => (this.#first = resolve))
  }

  start(url: string, cids: readonly string[]): void {
    this.#since = performance.now()
    const child = spawn(process.execPath, [CLIENT, url], { stdio: ['pipe', 'pipe', 'inherit'] })
    child.stdin.end(JSON.stringify(cids))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [ms = 0, bytes = 0, wrong = 0] = line.split(' ').map(Number)
      this.#first()
      this.#ms.push(ms)
      this.#bytes += bytes
      this.#wrong += wrong
    })
    this.#child = child
  }

  take(): Served {
    const now = performance.now()
    const taken = { ms: this.#ms, bytes: this.#bytes, wrong: this.#wrong, seconds: (now - this.#since) / 1000 }
    this.#ms = []
    this.#bytes = 0
    this.#wrong = 0
    this.#since = now
    return taken
  }

  stop(): void {
    this.#child?.kill()
  }
}
