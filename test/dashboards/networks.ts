/** One localnet for each arm, all at the same time, and what is asked of their APIs meanwhile. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { root } from '../../build/docs/source-facts.ts'

export interface Arm {
  readonly name: string
  readonly flags: readonly string[]
}

/** A node as Prometheus is told of it. */
export interface ScrapeTarget {
  readonly address: string
  readonly arm: string
  readonly role: string
  readonly num: string
}

/** Each arm that there is: what is sold, its baseline, and what ran before both. */
const ARMS: readonly Arm[] = [
  { name: 'no-dht', flags: ['--routing', 'none', '--policy', 'assigned'] },
  { name: 'classic', flags: ['--routing', 'none', '--policy', 'classic'] },
  { name: 'dht', flags: ['--routing', 'dht', '--policy', 'classic'] }
]

const NODES = ['execution-1', 'access-1', 'access-2']
const START_LIMIT_MS = 120_000
const POLL_MS = 250
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export class Networks {
  readonly #folder: string
  readonly #children = new Map<string, ChildProcess>()
  readonly #addresses = new Map<string, { readonly metrics: string; readonly api: string }>()
  readonly #ending = new AbortController()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Starts all arms; resolves when every node of every arm answers. */
  async start(): Promise<ScrapeTarget[]> {
    for (const arm of ARMS) this.#startArm(arm)
    const until = performance.now() + START_LIMIT_MS
    while (!this.#allUp()) {
      for (const [name, child] of this.#children) {
        if (child.exitCode !== null) throw new Error(`the network ${name} ended early, see ${this.#folder}/${name}`)
      }
      if (performance.now() > until) throw new Error('the networks did not come up within two minutes')
      await pause(POLL_MS)
    }
    return ARMS.flatMap(({ name }) =>
      NODES.map((node) => {
        const [role = '', num = ''] = node.split('-')
        return { address: this.#addresses.get(`${name}/${node}`)?.metrics ?? '', arm: name, role, num }
      })
    )
  }

  /** Asks the APIs for blocks, as CAR and JSON, and for what is not there, until the networks stop. */
  async load(): Promise<void> {
    const paths = [
      '/v1/execution-data/HEIGHT?format=json',
      '/v1/execution-data/HEIGHT?format=car',
      '/v1/execution-data/1',
      '/v1/nothing'
    ]
    for (let at = 0; !this.#ending.signal.aborted; at += 1) {
      for (const [node, { api, metrics }] of this.#addresses) {
        if (!node.includes('access')) continue
        const height = await consecutiveOf(metrics)
        await ask(api, (paths[at % paths.length] ?? '').replace('HEIGHT', String(height)))
      }
      await pause(POLL_MS)
    }
  }

  /** Ends every network in order. */
  async stop(): Promise<void> {
    this.#ending.abort()
    const ended = [...this.#children.values()]
      .filter((child) => child.exitCode === null && child.signalCode === null)
      .map((child) => new Promise((resolve) => child.once('exit', resolve)))
    for (const child of this.#children.values()) child.kill('SIGINT')
    await Promise.all(ended)
  }

  #startArm({ name, flags }: Arm): void {
    const shape = [
      '--execution',
      '1',
      '--access',
      '2',
      '--for',
      '10m',
      '--rate',
      '3',
      '--delay',
      '5ms',
      '--quiet',
      '0s'
    ]
    const out = ['--out', join(this.#folder, name), '--keep-data', '--json']
    const args = [join(root, 'bin/sealsync.mjs'), 'localnet', ...shape, ...flags, ...out]
    this.#children.set(name, spawn(process.execPath, args, { stdio: 'ignore' }))
  }

  #allUp(): boolean {
    for (const { name } of ARMS) {
      for (const node of NODES) {
        const file = join(this.#folder, name, node, 'addresses.json')
        if (!existsSync(file)) return false
        const text = readFileSync(file, 'utf8')
        // It may be half written.
        if (!text.endsWith('}\n')) return false
        this.#addresses.set(`${name}/${node}`, JSON.parse(text) as { metrics: string; api: string })
      }
    }
    return true
  }
}

async function consecutiveOf(metrics: string): Promise<number> {
  const text = await ask(metrics, '/v1/status')
  const status = text === undefined ? undefined : (JSON.parse(text) as { heights?: { consecutive?: number | null } })
  return status?.heights?.consecutive ?? 1
}

/** The answer's text; `undefined` when there is none: a node may be starting or stopping. */
function ask(hostPort: string, path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const call = request(`http://${hostPort}${path}`, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      answer.on('end', () => resolve(Buffer.concat(parts).toString()))
      answer.on('error', () => resolve(undefined))
    })
    call.on('error', () => resolve(undefined))
    call.end()
  })
}
