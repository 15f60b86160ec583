import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import { withDeadline } from './deadline.ts'
import type { NodePorts } from './plan.ts'

const START_LIMIT_MS = 20_000
const STOP_LIMIT_MS = 5_000

/** The relay's entry file: beside this one in the sources, beside the bundle in `dist/`. */
function entryFile(): string {
  const files = [new URL('./relay-process.ts', import.meta.url), new URL('./relay-process.js', import.meta.url)]
  const found = files.find((file) => existsSync(file))
  if (found === undefined)
    throw new LabError('bad-option', '--delay cannot be used here: relay-process is missing beside the program')
  return fileURLToPath(found)
}

/** The process that delays all links: one for a network, so that its CPU time can be told apart from the nodes'. */
export class Relays {
  readonly #clock: Clock
  readonly #options: { readonly delayMs: number; readonly ports: readonly NodePorts[] }
  #child: ChildProcess | undefined
  #lines: AsyncIterator<string> | undefined

  constructor(
    components: { readonly clock: Clock },
    options: { readonly delayMs: number; readonly ports: readonly NodePorts[] }
  ) {
    this.#clock = components.clock
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#child?.exitCode === null && this.#child.signalCode === null ? this.#child.pid : undefined
  }

  /** Throws LabError `not-ready` when it does not listen in time. */
  async start(options: { readonly signal: AbortSignal }): Promise<void> {
    const pairs = this.#options.ports.map(({ dial, listen }) => `${dial}:${listen}`)
    const child = spawn(process.execPath, [entryFile(), String(this.#options.delayMs), ...pairs], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true
    })
    this.#child = child
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const first = await this.#nextLine(START_LIMIT_MS, options.signal)
    if (first === undefined) throw new LabError('not-ready', 'the delay relay did not come up')
  }

  /** Ends the process; its CPU time in seconds, if it could still say. */
  async stop(): Promise<number | undefined> {
    if (this.pid === undefined) return undefined
    this.#child?.kill('SIGTERM')
    const line = await this.#nextLine(STOP_LIMIT_MS)
    await this.#end()
    const cpuSeconds = (line as { cpuSeconds?: unknown } | undefined)?.cpuSeconds
    return typeof cpuSeconds === 'number' ? cpuSeconds : undefined
  }

  kill(): void {
    if (this.pid !== undefined) this.#child?.kill('SIGKILL')
  }

  async #end(): Promise<void> {
    const child = this.#child
    if (child === undefined || this.pid === undefined) return
    const exit = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await exit
  }

  async #nextLine(ms: number, signal?: AbortSignal): Promise<unknown> {
    const ended = (until: AbortSignal): Promise<undefined> =>
      new Promise((resolve) => until.addEventListener('abort', () => resolve(undefined), { once: true }))
    return withDeadline(this.#clock, { ms, signal }, async (until) => {
      const line = await Promise.race([this.#lines?.next(), ended(until)])
      return line?.done === false ? (JSON.parse(line.value) as unknown) : undefined
    })
  }
}
