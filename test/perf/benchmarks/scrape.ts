import { startCrowd } from '#test/support/node/crowd.ts'
import type { Benchmark, Progress } from '../harness/bench.ts'
import { prepare } from '../harness/contender.ts'
import { atMost, type BenchReport, contenderReport, type Figures, machine } from '../harness/report.ts'

/** Before counting, so that the code is compiled. */
const WARM_UP = 50
const SCRAPES = 200
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export const scrape: Benchmark = {
  name: 'scrape',
  summary: 'what a scrape of a node with 50 connected peers costs its event loop, and how many series it has',
  flags: ['rounds', 'nodes'],
  async run(options, progress): Promise<BenchReport> {
    const peers = options.nodes?.[0] ?? 50
    const startedAt = new Date().toISOString()
    const contender = await prepare('sealsync')
    if (!('launch' in contender)) throw new Error(contender.reason)
    const runs: Figures[] = []
    for (let round = 0; round < (options.rounds ?? 3); round += 1) runs.push(await oneRun(peers, progress))
    const report = contenderReport(contender, runs)
    const goals = [
      atMost('renderMs', report.median['renderMs'], 10),
      atMost('cpuMs', report.median['cpuMs'], 10),
      atMost('series', report.median['series'], 2_000)
    ]
    return {
      schema: 'sealsync.bench/1',
      name: 'scrape',
      options: { peers, scrapes: SCRAPES },
      startedAt,
      machine: machine(),
      contenders: [report],
      leftOut: [],
      ratios: {},
      goals,
      ok: goals.every(({ ok }) => ok !== false)
    }
  }
}

/**
 * `renderMs`: mean of the node's own histogram of rendering. `cpuMs`: CPU time of the process for each scrape, checks, rendering and sending, less
 * what it uses by itself in the same time: an upper bound of what the loop is held for.
 */
async function oneRun(peers: number, progress: Progress): Promise<Figures> {
  progress(`a node and ${peers} peers`)
  const crowd = await startCrowd(peers)
  try {
    for (let at = 0; at < WARM_UP; at += 1) await crowd.scrape()
    const quietFrom = await crowd.scrape()
    const quietAt = performance.now()
    await pause(5_000)
    const from = await crowd.scrape()
    const startedAt = performance.now()
    const idleCpu = (cpuOf(from) - cpuOf(quietFrom)) / (startedAt - quietAt)
    for (let at = 1; at < SCRAPES; at += 1) {
      await crowd.scrape()
      await pause(10)
    }
    const to = await crowd.scrape()
    const cpu = cpuOf(to) - cpuOf(from) - idleCpu * (performance.now() - startedAt)
    const of = (name: string): number => valueIn(to, name) - valueIn(from, name)
    return {
      renderMs:
        (of('sealsync_api_scrape_duration_seconds_sum') * 1000) / of('sealsync_api_scrape_duration_seconds_count'),
      cpuMs: (cpu * 1000) / SCRAPES,
      series: seriesIn(to),
      kilobytes: to.length / 1000
    }
  } finally {
    await crowd.stop()
  }
}

function seriesIn(text: string): number {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length
}

function valueIn(text: string, name: string): number {
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')[1] ?? Number.NaN
  )
}

const cpuOf = (text: string): number => valueIn(text, 'process_cpu_seconds_total')
