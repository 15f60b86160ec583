import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { initNode, revision, version } from '../../node/index.ts'
import { systemClock, systemRng } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import { adminIngest } from '../localnet/ingest.ts'
import { launcherFile } from '../localnet/launcher.ts'
import type { ProgressStream } from '../localnet/progress.ts'
import { Hammer } from './hammer.ts'
import { type HammerOptions, validateHammerOptions } from './options.ts'
import type { HammerReport } from './report.ts'

/**
 * Runs a hammer to its report, which also goes to `OUT/report.json`. Throws LabError `bad-option` or `bad-target` when it cannot
 * begin; what goes wrong later stands in the report's `reasons`.
 */
export async function runHammer(
  options: HammerOptions,
  context: { readonly stream: ProgressStream; readonly signal: AbortSignal }
): Promise<HammerReport> {
  const faults = validateHammerOptions(options)
  if (faults.length > 0) throw new LabError('bad-option', faults.join('; '))
  if (options.out !== undefined) await mkdir(options.out, { recursive: true })
  const hammer = new Hammer(
    {
      clock: systemClock,
      rng: systemRng,
      initNode,
      ingest: adminIngest(),
      launcher: launcherFile(),
      note: (line) => void context.stream.write(`hammer: ${line}\n`),
      build: { version: version(), revision: revision() }
    },
    options
  )
  const report = await hammer.run({ signal: context.signal })
  if (options.out !== undefined)
    await writeFile(join(options.out, 'report.json'), `${JSON.stringify(report, null, 2)}\n`)
  return report
}
