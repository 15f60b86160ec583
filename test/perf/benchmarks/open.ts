import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Benchmark } from '../harness/bench.ts'
import { atLeast, atMost, type Figures } from '../harness/report.ts'
import { adopt, readyOnce } from '../store/copied.ts'
import { begin, storeReport, storeRun } from './store-bench.ts'

/** The node is ready with less than the store was filled with. */
const MEMORY = '384MiB'

export const open: Benchmark = {
  name: 'open',
  summary:
    'opening a store of many blocks, beside an empty one, and starting a node on a copy of it with another --memory',
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
      const started: Figures[] = []
      const copy = join(home, 'copy')
      await cp(folders.full, copy, { recursive: true })
      const node = await adopt(copy, blocks)
      // Not counted: the first start fills the cache of compiled code, which a machine that runs the program has.
      await readyOnce(copy, [...node, '--memory', '1GiB'])
      for (let round = 0; round < (options.rounds ?? 5); round += 1) {
        progress(`round ${round + 1}: a node on a copy, with a smaller --memory`)
        await rm(copy, { recursive: true })
        await cp(folders.full, copy, { recursive: true })
        started.push(await readyOnce(copy, [...(await adopt(copy, blocks)), '--memory', MEMORY]))
      }
      return storeReport({
        name: 'open',
        options: { blocks },
        ...on,
        runs: Object.entries({ ...runs, copied: started }).map(([name, figures]) => ({ name, figures })),
        judge(medians) {
          const of = (name: string, figure: string): number => medians.get(name)?.[figure] ?? Number.NaN
          const above = of('full', 'openedMiB') - of('empty', 'openedMiB')
          return {
            ratios: { 'MiB above an empty one': above },
            goals: [
              atMost('openMs', of('full', 'openMs'), 1_000),
              atMost('MiB above an empty one', above, 20),
              atMost('readyMs of a copy', of('copied', 'readyMs'), 5_000),
              atLeast('blobs of a copy', of('copied', 'blobs'), of('full', 'blobs'))
            ]
          }
        }
      })
    } finally {
      await rm(home, { recursive: true, force: true })
    }
  }
}
