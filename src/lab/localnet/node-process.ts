import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, sleep } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import { withDeadline } from './deadline.ts'
import type { LabHttp } from './http.ts'
import type { PreparedNode } from './prepare.ts'
import { Scrape } from './scrape.ts'
import { type NodeStatus, parseNodeStatus } from './status.ts'

export interface NodeProcessComponents {
  readonly clock: Clock
  readonly http: LabHttp
}

/** How to run `sealsync`. */
export interface Launch {
  /** The launcher script. */
  readonly launcher: string
  readonly args: readonly string[]
  /** Arguments of Node itself. */
  readonly execArgv?: readonly string[]
  /** A command that runs the one behind it in its own place, as one that enters a cgroup first. */
  readonly prefix?: readonly string[]
}

/** Where a running node is reached, `host:port`. */
export interface NodeAddresses {
  readonly metrics: string
  readonly api: string
}

export interface ProcessExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Compiling several hundred modules with a cold cache on a busy machine has taken 15 s. */
const START_LIMIT_MS = 60_000
const STATUS_LIMIT_MS = 5_000
const POLL_MS = 50
/** Enough for a stack trace and the lines that led to it. */
const TAIL_BYTES = 16_384
const TAIL_LINES = 12

/**
 * One node as a child process. It runs in a process group of its own, so that Ctrl+C at the terminal reaches the driver alone,
 * and may be started again after it ended. Its output goes straight to its log file.
 */
export class NodeProcess {
  readonly plan: PreparedNode
  readonly #clock: Clock
  readonly #http: LabHttp
  readonly #launch: Launch
  #child: ChildProcess | undefined
  #exit: ProcessExit | undefined
  #ended: Promise<ProcessExit> = Promise.resolve({ code: null, signal: null })
  #addresses: NodeAddresses | undefined
  #stopped = false
  #expected = false
  #up = false

  constructor(components: NodeProcessComponents, options: { readonly plan: PreparedNode; readonly launch: Launch }) {
    this.#clock = components.clock
    this.#http = components.http
    this.plan = options.plan
    this.#launch = options.launch
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** The last run's end; `undefined` while it runs. */
  get exit(): ProcessExit | undefined {
    return this.#exit
  }

  get running(): boolean {
    return this.#child !== undefined && this.#exit === undefined
  }

  /** Running and not stopped with SIGSTOP. */
  get answering(): boolean {
    return this.running && !this.#stopped
  }

  /** True when the process ended though nobody asked it to. */
  get died(): boolean {
    return this.#exit !== undefined && !this.#expected
  }

  /** It has answered in its current life. */
  get up(): boolean {
    return this.#up
  }

  get addresses(): NodeAddresses | undefined {
    return this.#addresses
  }

  /** Starts the process; it is not up yet. */
  async start(): Promise<void> {
    await rm(join(this.plan.dataDir, 'addresses.json'), { force: true })
    const { execArgv = [], launcher, args, prefix = [] } = this.#launch
    const [command = process.execPath, ...rest] = [...prefix, process.execPath, ...execArgv, launcher, ...args]
    const log = openSync(this.plan.logFile, 'a')
    this.#exit = undefined
    this.#expected = false
    this.#stopped = false
    this.#addresses = undefined
    this.#up = false
    try {
      const child = spawn(command, rest, {
        stdio: ['pipe', log, log],
        detached: true,
        env: childEnvironment()
      })
      this.#child = child
      child.stdin?.on('error', () => {})
      this.#ended = new Promise((resolve) => {
        const end = (code: number | null, signal: NodeJS.Signals | null): void => {
          this.#exit ??= { code, signal }
          resolve(this.#exit)
        }
        child.once('exit', end)
        child.once('error', () => end(null, null))
      })
      await inheritPriority(child.pid)
    } finally {
      closeSync(log)
    }
  }

  /** Resolves when the node answers. Throws LabError `node-died` or `not-ready`, or the signal's reason. */
  async ready(options: { readonly signal: AbortSignal }): Promise<void> {
    const until = this.#clock.now() + START_LIMIT_MS
    while (true) {
      this.#addresses = await readAddresses(this.plan.dataDir)
      this.#up = this.#addresses !== undefined && (await this.#answers(options.signal))
      if (this.#up) return
      if (this.#exit !== undefined) throw await this.deathReport()
      if (this.#clock.now() > until) {
        throw new LabError('not-ready', `${this.plan.name} did not come up within ${START_LIMIT_MS / 1000} s`, {
          details: { lastLines: await this.lastLines() }
        })
      }
      await sleep(this.#clock, POLL_MS, options.signal)
    }
  }

  /** Throws LabError `bad-answer`, a system error, or the signal's reason. */
  async status(options: { readonly signal?: AbortSignal } = {}): Promise<NodeStatus> {
    const { metrics } = this.#addresses ?? {}
    if (metrics === undefined) throw new LabError('bad-answer', `${this.plan.name} has no addresses yet`)
    return withDeadline(this.#clock, { ms: STATUS_LIMIT_MS, signal: options.signal }, async (signal) =>
      parseNodeStatus(await this.#http.json(`http://${metrics}/v1/status`, { signal }))
    )
  }

  /** Whether `/readyz` answers 200. */
  async isHealthy(): Promise<boolean> {
    const { metrics } = this.#addresses ?? {}
    if (metrics === undefined) return false
    return withDeadline(this.#clock, { ms: STATUS_LIMIT_MS }, async (signal) => {
      await this.#http.text(`http://${metrics}/readyz`, { signal })
      return true
    }).catch(() => false)
  }

  /** Throws LabError `bad-answer`, a system error, or the signal's reason. */
  async scrape(): Promise<Scrape> {
    const { metrics } = this.#addresses ?? {}
    if (metrics === undefined) throw new LabError('bad-answer', `${this.plan.name} has no addresses yet`)
    return withDeadline(this.#clock, { ms: STATUS_LIMIT_MS }, async (signal) =>
      Scrape.parse(await this.#http.text(`http://${metrics}/metrics`, { signal }))
    )
  }

  /** Resolves with the end of the current run. */
  ended(): Promise<ProcessExit> {
    return this.#ended
  }

  /** Sends a signal that is meant to end the process. */
  end(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (!this.running) return
    this.#expected = true
    if (this.#stopped && signal === 'SIGTERM') this.resume()
    this.#child?.kill(signal)
  }

  /** SIGSTOP: its sockets stay open and nothing answers. */
  pause(): void {
    if (this.running) this.#stopped = this.#child?.kill('SIGSTOP') ?? false
  }

  resume(): void {
    if (this.#stopped) this.#child?.kill('SIGCONT')
    this.#stopped = false
  }

  /** What it wrote last, to be shown when it dies. */
  async lastLines(): Promise<string[]> {
    try {
      const file = await open(this.plan.logFile)
      try {
        const { size } = await file.stat()
        const { buffer, bytesRead } = await file.read(
          Buffer.alloc(TAIL_BYTES),
          0,
          TAIL_BYTES,
          Math.max(0, size - TAIL_BYTES)
        )
        return buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n').slice(-TAIL_LINES)
      } finally {
        await file.close()
      }
    } catch {
      return []
    }
  }

  async deathReport(): Promise<LabError> {
    const { code, signal } = this.#exit ?? { code: null, signal: null }
    const how = signal === null ? `exit code ${code}` : signal
    return new LabError('node-died', `${this.plan.name} ended with ${how}`, {
      details: { name: this.plan.name, exitCode: code, signal, lastLines: await this.lastLines() }
    })
  }

  async #answers(signal: AbortSignal): Promise<boolean> {
    try {
      await this.status({ signal })
      return true
    } catch {
      signal.throwIfAborted()
      return false
    }
  }
}

/** The driver's own configuration must not reach the nodes, nor what its launcher left behind. */
function childEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('SEALSYNC_')))
}

/**
 * A process group of its own is a scheduling group of its own where the kernel groups by session: the priority that the driver was
 * given would not count for what it starts. Where there are no such groups, or no right to set them, nothing is done.
 */
async function inheritPriority(pid: number | undefined): Promise<void> {
  if (pid === undefined) return
  const own = await readFile('/proc/self/autogroup', 'utf8').catch(() => '')
  const nice = / nice (-?\d+)/.exec(own)?.[1]
  if (nice !== undefined && nice !== '0') await writeFile(`/proc/${pid}/autogroup`, nice).catch(() => undefined)
}

async function readAddresses(dataDir: string): Promise<NodeAddresses | undefined> {
  try {
    const value = JSON.parse(await readFile(join(dataDir, 'addresses.json'), 'utf8')) as Partial<NodeAddresses> | null
    if (typeof value?.metrics !== 'string' || typeof value.api !== 'string') return undefined
    return { metrics: value.metrics, api: value.api }
  } catch {
    return undefined
  }
}
