import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { revision, version } from '../../node/index.ts'
import { systemClock } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import { runLocalnet, type RunLocalnetContext } from '../localnet/run.ts'
import { validateLocalnetOptions } from '../options.ts'
import { parseArm } from './arms.ts'
import { Compare } from './compare.ts'
import { type History, makeHistory } from './history.ts'
import { type CompareOptions, validateCompareOptions } from './options.ts'
import { comparisonPage } from './page.ts'
import { readProfiles } from './profiles.ts'
import type { CompareReport } from './report.ts'

/**
 * Runs a comparison to its report, which also goes to `OUT/report.json` and `OUT/report.html`, each run's report to `OUT/runs`. Throws
 * LabError `bad-option` when it cannot begin; what goes wrong later stands in the report's `reasons`.
 */
export async function runCompare(options: CompareOptions, context: RunLocalnetContext): Promise<CompareReport> {
  const faults = [...validateCompareOptions(options), ...validateLocalnetOptions(options.localnet)]
  if (faults.length > 0) throw new LabError('bad-option', faults.join('; '))
  const arms = { a: parseArm(options.a, options.localnet), b: parseArm(options.b, options.localnet) }
  const note = (line: string): void => void context.stream.write(`compare: ${line}\n`)
  const history = await historyOf(options, { signal: context.signal, note })
  try {
    const localnet = { ...options.localnet, ...(history === undefined ? {} : { history: history.dataDir }) }
    const components = {
      run: runLocalnetWith(context),
      note,
      profilesOf: readProfiles,
      build: { version: version(), revision: revision() },
      now: () => systemClock.now(),
      wallNow: () => systemClock.wallNow()
    }
    const report = await new Compare(components, { compare: { ...options, localnet }, arms }).run(context)
    if (options.out !== undefined) await writeReport(options.out, report)
    return report
  } finally {
    await history?.remove()
  }
}

const runLocalnetWith =
  (context: RunLocalnetContext) =>
  (options: CompareOptions['localnet'], { signal }: { readonly signal: AbortSignal }) =>
    runLocalnet(options, { ...context, signal })

async function historyOf(
  { history, localnet }: CompareOptions,
  context: { readonly signal: AbortSignal; readonly note: (line: string) => void }
): Promise<History | undefined> {
  if (history === 0) return undefined
  context.note(`making a data directory with ${history} old blocks`)
  const onProgress = (blocks: number): void => context.note(`${blocks} of ${history} old blocks`)
  try {
    return await makeHistory({ blocks: history, seed: localnet.seed }, { signal: context.signal, onProgress })
  } catch (error) {
    // Interrupted before the first run: the report says so.
    if (context.signal.aborted) return undefined
    throw error
  }
}

async function writeReport(out: string, report: CompareReport): Promise<void> {
  const runs = join(out, 'runs')
  await mkdir(runs, { recursive: true })
  for (const arm of ['a', 'b'] as const) {
    for (const [at, run] of report.arms[arm].runs.entries())
      await writeFile(join(runs, `${arm}-${at + 1}.json`), `${JSON.stringify(run, null, 2)}\n`)
  }
  await writeFile(join(out, 'report.json'), `${JSON.stringify(report, null, 2)}\n`)
  await writeFile(join(out, 'report.html'), comparisonPage(report))
}
