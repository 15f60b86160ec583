import { parseArgs } from 'node:util'
import { lives } from '#test/support/store/lives.ts'

/** Between two lines of progress, ms. */
const PROGRESS_MS = 5_000

/** Runs seeds until so many power cuts were made; gives the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { cuts: { type: 'string', default: '10000' }, seed: { type: 'string', default: '1' } }
  })
  const wanted = Number(values.cuts)
  const first = Number(values.seed)
  if (!Number.isSafeInteger(wanted) || wanted < 1 || !Number.isSafeInteger(first)) {
    process.stderr.write('test:crash:sim: --cuts and --seed are whole numbers\n')
    return 2
  }
  const sum = { seeds: 0, cuts: 0, lost: 0, compactedBytes: 0, unlinked: 0 }
  const failing: number[] = []
  let shown = performance.now()
  for (let seed = first; sum.cuts < wanted; seed += 1) {
    const run = await lives(seed)
    sum.seeds += 1
    sum.cuts += run.cuts
    sum.lost += run.lost
    sum.compactedBytes += run.compactedBytes
    sum.unlinked += run.unlinked
    if (run.lost > 0) failing.push(seed)
    if (performance.now() - shown < PROGRESS_MS) continue
    shown = performance.now()
    process.stderr.write(`test:crash:sim: ${sum.cuts} of ${wanted} power cuts, ${sum.lost} blobs lost\n`)
  }
  const report = { schema: 'sealsync.crash-sim/1', ok: failing.length === 0, firstSeed: first, ...sum, failing }
  process.stdout.write(`${JSON.stringify(report)}\n`)
  return failing.length === 0 ? 0 : 1
}
