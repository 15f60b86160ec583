import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { initNode, revision, version } from '../../node/index.ts'
import { systemClock, systemRng } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import { type LocalnetOptions, validateLocalnetOptions } from '../options.ts'
import { adminIngest } from './ingest.ts'
import { launcherFile } from './launcher.ts'
import { Localnet } from './localnet.ts'
import { packageFile } from './package-file.ts'
import { Progress, type ProgressStream } from './progress.ts'
import type { LocalnetReport } from './report.ts'
import { type BlockSource, chainSources, folderSource, takeBlocks } from './source.ts'
import { SYNTHETIC_FIRST_HEIGHT, syntheticSource } from './synthetic-source.ts'

export interface RunLocalnetContext {
  /** Progress goes here: a table on a terminal, lines elsewhere. */
  readonly stream: ProgressStream
  readonly colour: boolean
  /** Ends the workload; the run then comes to its report. */
  readonly signal: AbortSignal
}

/**
 * Runs a localnet to its report, which also goes to `OUT/report.json`. Throws LabError `bad-option` or `bad-source` when it cannot
 * begin; what goes wrong later stands in the report's `reasons`.
 */
export async function runLocalnet(options: LocalnetOptions, context: RunLocalnetContext): Promise<LocalnetReport> {
  const faults = validateLocalnetOptions(options)
  if (faults.length > 0) throw new LabError('bad-option', faults.join('; '))
  const source = await openSource(options)
  const components = {
    clock: systemClock,
    rng: systemRng,
    initNode,
    ingest: adminIngest(),
    progress: new Progress({ clock: systemClock, stream: context.stream }, { colour: context.colour }),
    build: { version: version(), revision: revision() },
    launcher: launcherFile()
  }
  const report = await new Localnet(components, { localnet: options, source }).run({ signal: context.signal })
  if (options.out !== undefined)
    await writeFile(join(options.out, 'report.json'), `${JSON.stringify(report, null, 2)}\n`)
  return report
}

/** The folder of the genuine chain: only a checkout has it. */
function chainFolder(): string | undefined {
  const list = packageFile('test/fixtures/chain/blocks.jsonl')
  return list === undefined ? undefined : dirname(list)
}

/** Throws LabError `bad-source`. */
async function openSource(options: LocalnetOptions): Promise<BlockSource> {
  const { source: name, blocks } = options
  const source = await sourceNamed(name, options)
  return blocks === undefined ? source : takeBlocks(source, blocks)
}

async function sourceNamed(name: string, options: LocalnetOptions): Promise<BlockSource> {
  const chain = chainFolder()
  switch (name) {
    case 'synthetic':
      return syntheticSource(options, SYNTHETIC_FIRST_HEIGHT)
    case 'chain+synthetic': {
      if (chain === undefined) return syntheticSource(options, SYNTHETIC_FIRST_HEIGHT)
      const first = await folderSource(chain, 'chain')
      return chainSources(first, syntheticSource(options, first.lastHeight + 1))
    }
    case 'chain':
      if (chain !== undefined) return folderSource(chain, 'chain')
      throw new LabError(
        'bad-source',
        '--source chain needs a checkout of the repository: the chain is in test/fixtures/chain'
      )
    default:
      return folderSource(name)
  }
}
