import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from '#src/lab/localnet/ports.ts'
import { systemRng } from '#src/util/index.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const launcher = join(root, 'bin', 'sealsync.mjs')

export const chainFixture = join(root, 'test', 'fixtures', 'chain')
export const chainBlockList = join(chainFixture, 'blocks.jsonl')

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end. */
export function sealsync(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  const child = spawn(process.execPath, [launcher, ...args], {
    cwd: root,
    env: cleanEnv(env),
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

/** The one JSON object of `--json`. */
export function lastJson<T>(finished: Finished): T {
  if (finished.code !== 0) throw new Error(`exit code ${finished.code}: ${finished.stderr}`)
  return JSON.parse(finished.stdout.trimEnd().split('\n').at(-1) ?? '') as T
}

export interface NodeProcessOptions {
  /** Arguments of Node itself. */
  readonly execArgv?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** A command that becomes Node: a shell that enters a cgroup first. */
  readonly prefix?: readonly string[]
}

/** A node that runs until it is stopped. */
export class RunningNode {
  readonly dataDir: string
  readonly #child: ChildProcess
  readonly #closed: Promise<number | null>
  #output = ''

  constructor(dataDir: string, args: readonly string[], process_: NodeProcessOptions = {}) {
    this.dataDir = dataDir
    rmSync(join(dataDir, 'addresses.json'), { force: true })
    const node = [process.execPath, ...(process_.execArgv ?? []), launcher, 'run', '--data-dir', dataDir, ...args]
    const [program = '', ...command] = [...(process_.prefix ?? []), ...node]
    this.#child = spawn(program, command, {
      cwd: root,
      env: cleanEnv(process_.env ?? {}),
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const keep = (text: Buffer): void => {
      this.#output = (this.#output + text.toString('utf8')).slice(-20_000)
    }
    this.#child.stdout?.on('data', keep)
    this.#child.stderr?.on('data', keep)
    this.#closed = new Promise((resolve) => this.#child.on('close', resolve))
  }

  get output(): string {
    return this.#output
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get exitCode(): number | null {
    return this.#child.exitCode
  }

  addresses(): { readonly p2p: readonly string[]; readonly metrics: string; readonly api: string } | undefined {
    try {
      return JSON.parse(readFileSync(join(this.dataDir, 'addresses.json'), 'utf8'))
    } catch {
      return undefined
    }
  }

  async status(): Promise<NodeStatusText | undefined> {
    const address = this.addresses()?.metrics
    if (address === undefined) return undefined
    return (await (await fetch(`http://${address}/v1/status`)).json()) as NodeStatusText
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** The exit code, once the process is gone. */
  ended(): Promise<number | null> {
    return this.#closed
  }

  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGTERM')
    return this.#closed
  }
}

export interface NodeStatusText {
  readonly heights: {
    readonly feed: number | null
    readonly consecutive: number | null
    readonly highest: number | null
    readonly lowest: number | null
  }
  readonly payloadBytes: { readonly useful: number; readonly duplicate: number; readonly partial: number }
  readonly duplicateRatio: number
  readonly connections: number
  readonly run: { readonly presentAtStart: number; readonly refetched: number }
}

/** Waits until `holds` is true; gives up, with the node's last output, when it has ended or `limitMs` have passed. */
export async function until(
  node: RunningNode,
  holds: () => Promise<boolean> | boolean,
  limitMs = 60_000
): Promise<void> {
  const deadline = performance.now() + limitMs
  for (;;) {
    if (node.exitCode !== null) throw new Error(`the node ended with exit code ${node.exitCode}\n${node.output}`)
    if (await holds()) return
    if (performance.now() > deadline) throw new Error(`not so after ${limitMs} ms\n${node.output}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Below the range of outgoing connections, one of which would take it before the node does. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1, systemRng)
  if (port === undefined) throw new Error('no port')
  return port
}

export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'sealsync-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Settings of whoever runs the tests must not reach the nodes. */
function cleanEnv(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('SEALSYNC_') && name !== 'NODE_TEST_CONTEXT'
  )
  return { ...Object.fromEntries(inherited), NO_COLOR: '1', ...env }
}
