import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Benchmark } from '../harness/bench.ts'
import { atMost, type Figures } from '../harness/report.ts'
import { begin, storeReport, storeRun } from './store-bench.ts'

export const open: Benchmark = {
  name: 'open',
  summary: 'opening a store of many blocks, beside an empty one: time, and what is resident after',
  flags: ['rounds', 'blocks', 'nodeFlags'],
  async run(options, progress) {
    const on = begin()
    const blocks = options.blocks ?? 100_000
    const home = await mkdtemp(join(tmpdir(), 'sealsync-open-'))
    try {
      const folders = { empty: join(home, 'empty'), full: join(home, 'full') }
      progress(`a store of ${blocks} blocks is filled`)
      await storeRun('fillStore', { dataDir: folders.full, blocks }, options.nodeFlags)
      await storeRun('fillStore', { dataDir: folders.empty, blocks: 0 }, options.nodeFlags)
      const runs: Record<keyof typeof folders, Figures[]> = { empty: [], full: [] }
      for (let round = 0; round < (options.rounds ?? 5); round += 1) {
        for (const name of ['empty', 'full'] as const) {
          progress(`round ${round + 1}: ${name}`)
          runs[name].push(await storeRun('openOnce', { dataDir: folders[name] }, options.nodeFlags))
        }
      }
      return storeReport({
        name: 'open',
        options: { blocks },
        ...on,
        runs: Object.entries(runs).map(([name, figures]) => ({ name, figures })),
        judge(medians) {
          const of = (name: string, figure: string): number => medians.get(name)?.[figure] ?? Number.NaN
          const above = of('full', 'openedMiB') - of('empty', 'openedMiB')
          return {
            ratios: { 'MiB above an empty one': above },
            goals: [atMost('openMs', of('full', 'openMs'), 1_000), atMost('MiB above an empty one', above, 20)]
          }
        }
      })
    } finally {
      await rm(home, { recursive: true, force: true })
    }
  }
}
