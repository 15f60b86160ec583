/** A Prometheus of this run's own, on loopback, in a folder that is removed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { recordingGroups } from '../../build/dashboards/outputs.ts'
import type { ScrapeTarget } from './networks.ts'

export interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly values: readonly (readonly [time: number, value: string])[]
}

const SCRAPE_SECONDS = 2
const START_LIMIT_MS = 30_000
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export class Prometheus {
  readonly #folder: string
  #child: ChildProcess | undefined
  #url = ''

  constructor(folder: string) {
    this.#folder = folder
  }

  async start(targets: readonly ScrapeTarget[]): Promise<void> {
    await writeFile(join(this.#folder, 'prometheus.yaml'), stringify(configOf(targets)))
    await writeFile(join(this.#folder, 'recording.yaml'), stringify(recordingGroups()))
    const port = await freePort()
    this.#url = `http://127.0.0.1:${port}`
    const args = [
      `--config.file=${join(this.#folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(this.#folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error'
    ]
    this.#child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'inherit'], cwd: this.#folder })
    const until = performance.now() + START_LIMIT_MS
    while (!(await this.#ready())) {
      if (performance.now() > until || this.#child.exitCode !== null) throw new Error('Prometheus did not start')
      await pause(200)
    }
  }

  /** One expression over the last `seconds`. Throws what Prometheus says is wrong with it. */
  async range(expr: string, seconds: number): Promise<Series[]> {
    const end = Date.now() / 1000
    const query = new URLSearchParams({ query: expr, start: String(end - seconds), end: String(end), step: '5' })
    const answer = await fetch(`${this.#url}/api/v1/query_range?${query.toString()}`)
    const body = (await answer.json()) as { status: string; error?: string; data?: { result: Series[] } }
    if (body.status !== 'success') throw new Error(body.error ?? `status ${answer.status}`)
    return body.data?.result ?? []
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }

  async #ready(): Promise<boolean> {
    return fetch(`${this.#url}/-/ready`).then(
      ({ ok }) => ok,
      () => false
    )
  }
}

/** As an operator's, only faster. Both builds without a DHT call themselves no-dht; here the baseline gets a name of its own. */
function configOf(targets: readonly ScrapeTarget[]): object {
  return {
    global: { scrape_interval: `${SCRAPE_SECONDS}s`, evaluation_interval: `${SCRAPE_SECONDS}s` },
    rule_files: ['recording.yaml'],
    scrape_configs: [
      {
        job_name: 'sealsync',
        honor_labels: true,
        static_configs: targets.map(({ address, arm, role, num }) => ({
          targets: [address],
          labels: { network: 'localnet', role, num: `${arm}-${num}` }
        })),
        metric_relabel_configs: [
          {
            source_labels: ['__name__', 'routing', 'policy'],
            regex: 'sealsync_build_info;none;classic',
            target_label: 'variant',
            replacement: 'classic'
          }
        ]
      }
    ]
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
