import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Benchmark, BenchOptions, Progress } from '../harness/bench.ts'
import { atLeast, atMost } from '../harness/report.ts'
import { begin, storeReport, storeRun } from './store-bench.ts'

/** Stands in a folder whose store is filled to the last key. */
const FILLED = 'filled.json'

export const shed: Benchmark = {
  name: 'shed',
  summary: 'shedding many index keys while 50 MB/s are served over HTTP and 3 MB/s come in',
  flags: ['keys', 'data', 'nodeFlags'],
  async run(options, progress) {
    const on = begin()
    const keys = options.keys ?? 5_200_000
    const home = await mkdtemp(join(tmpdir(), 'sealsync-shed-'))
    try {
      const dataDir = await filled({ keys, home, options }, progress)
      progress(`${keys} keys are shed`)
      const figures = await storeRun('shed', { dataDir, keys }, options.nodeFlags)
      return storeReport({
        name: 'shed',
        options: { keys },
        ...on,
        runs: [{ name: 'sealsync', figures: [figures] }],
        judge(medians) {
          const of = (figure: string): number => medians.get('sealsync')?.[figure] ?? Number.NaN
          const slower = of('during: servedMsP99') / of('before: servedMsP99')
          return {
            ratios: { 'served p99, during to before': slower },
            goals: [
              atMost('shedSeconds', of('shedSeconds'), 600),
              atMost('during: lagMsP99', of('during: lagMsP99'), 20),
              atMost('served p99, during to before', slower, 2),
              atLeast('during: servedMBs', of('during: servedMBs'), 49),
              atLeast('syncedMBs', of('syncedMBs'), 3),
              atMost('during: wrong', of('during: wrong'), 0),
              atMost('left', of('left'), 0)
            ]
          }
        }
      })
    } finally {
      await rm(home, { recursive: true, force: true })
    }
  }
}

interface Filling {
  readonly keys: number
  readonly home: string
  readonly options: BenchOptions
}

/** A folder that may be emptied; a copy of the one that is kept, where one is. */
async function filled({ keys, home, options }: Filling, progress: Progress): Promise<string> {
  const kept = options.data
  const dataDir = join(home, 'data')
  const source = kept ?? dataDir
  if (kept === undefined || !existsSync(join(kept, FILLED))) {
    progress(`a store of ${keys} keys is filled`)
    const figures = await storeRun('prepareShed', { dataDir: source, keys }, options.nodeFlags)
    await writeFile(join(source, FILLED), JSON.stringify(figures))
  }
  if (kept !== undefined) await cp(kept, dataDir, { recursive: true })
  return dataDir
}
