import type { Benchmark } from '../harness/bench.ts'
import { atMost, type Figures } from '../harness/report.ts'
import { begin, storeReport, storeRun } from './store-bench.ts'

export const flat: Benchmark = {
  name: 'flat',
  summary: 'resident memory while blocks pass through store, tracker, pruner and a full cache',
  flags: ['rounds', 'blocks', 'nodeFlags'],
  async run(options, progress) {
    const on = begin()
    const blocks = options.blocks ?? 100_000
    const figures: Figures[] = []
    for (let round = 0; round < (options.rounds ?? 1); round += 1) {
      progress(`${blocks} blocks of 3 blobs of 4 KiB, 1,000 kept`)
      figures.push(await storeRun('flat', { blocks }, options.nodeFlags))
    }
    return storeReport({
      name: 'flat',
      options: { blocks },
      ...on,
      runs: [{ name: 'sealsync', figures }],
      judge(medians) {
        const median = medians.get('sealsync') ?? {}
        const grown = (median['rssMiB at the end'] ?? Number.NaN) / (median['rssMiB at 10,000'] ?? Number.NaN)
        return {
          ratios: { 'the end to 10,000 blocks': grown },
          goals: [
            atMost('slopeMBPer10000', median['slopeMBPer10000'], 1),
            atMost('the end to 10,000 blocks', grown, 1.05),
            atMost('missing', median['missing'], 0)
          ]
        }
      }
    })
  }
}
