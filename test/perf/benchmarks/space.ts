import type { Benchmark } from '../harness/bench.ts'
import { atMost } from '../harness/report.ts'
import { begin, storeReport, storeRun } from './store-bench.ts'

const MIB = 1_048_576

export const space: Benchmark = {
  name: 'space',
  summary: 'what the disk gets back when half of a store is pruned',
  flags: ['gib', 'blob', 'nodeFlags'],
  async run(options, progress) {
    const on = begin()
    const settings = { bytes: (options.gib ?? 10) * 1024 * MIB, blobBytes: options.blob ?? MIB }
    progress(`${settings.bytes / MIB} MiB of blobs are stored, and half of the heights pruned`)
    const figures = await storeRun('space', settings, options.nodeFlags)
    return storeReport({
      name: 'space',
      options: settings,
      ...on,
      runs: [{ name: 'sealsync', figures: [figures] }],
      judge: (medians) => ({ goals: [atMost('aboveLive', medians.get('sealsync')?.['aboveLive'], 0.1)] })
    })
  }
}
