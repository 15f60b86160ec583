import type { Command } from 'commander'
import {
  type CompareOptions,
  type CompareReport,
  defaultCompareOptions,
  HISTORY_ROUNDS,
  historyLocalnet,
  LabError,
  type LocalnetOptions,
  NAMED_ARMS,
  renderComparison,
  runCompare,
  validateCompareOptions,
  validateLocalnetOptions
} from '#src/lab/index.ts'
import { type CommandContext, UsageError, writeJson } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { addPrometheusCommand } from './compare-prometheus.ts'
import { addLocalnetOptions, type Flags, readLocalnetOptions } from './localnet-options.ts'

/** What an arm says, and what a comparison keeps to itself. */
const NOT_HERE: ReadonlySet<keyof LocalnetOptions> = new Set([
  'routing',
  'policy',
  'dhtAccess',
  'settings',
  'out',
  'keepData'
])

function count(flags: Flags, name: string): number | undefined {
  const text = flags[name]
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(String(text))) throw new UsageError(`--${name} '${String(text)}' must be a whole number`)
  return Number(text)
}

/** The options of `compare` from its flags. Throws UsageError that names the flag. */
export function compareOptions(flags: Flags): CompareOptions {
  const history = count(flags, 'history') ?? defaultCompareOptions.history
  const standard = history > 0 ? HISTORY_ROUNDS : defaultCompareOptions.rounds
  const localnet = history > 0 ? historyLocalnet : defaultCompareOptions.localnet
  const out = typeof flags['out'] === 'string' ? { out: flags['out'] } : {}
  const options: CompareOptions = {
    a: String(flags['a'] ?? defaultCompareOptions.a),
    b: String(flags['b'] ?? defaultCompareOptions.b),
    rounds: count(flags, 'rounds') ?? standard,
    localnet: readLocalnetOptions({ ...flags, out: undefined }, localnet),
    mixed: flags['mixed'] === true,
    history,
    profiles: flags['profiles'] === true,
    ...out
  }
  const faults = [...validateCompareOptions(options), ...validateLocalnetOptions(options.localnet)]
  if (faults.length > 0) throw new UsageError(faults.join('; '))
  return options
}

async function run(options: CompareOptions, context: CommandContext): Promise<CompareReport> {
  const colour = context.stderr.isTTY === true && (context.env['NO_COLOR'] ?? '') === ''
  try {
    return await runCompare(options, { stream: context.stderr, colour, signal: context.signal })
  } catch (error) {
    if (error instanceof LabError && (error.code === 'bad-option' || error.code === 'bad-source')) {
      throw new UsageError(error.message)
    }
    throw error
  }
}

/** `compare`: two builds or settings side by side, in turn on this machine; exit code 1 when a run did not come to its end. */
export function addCompareCommand(program: Command, context: CommandContext, done: (code: number) => void): void {
  const { a, b, rounds, localnet } = defaultCompareOptions
  const names = Object.keys(NAMED_ARMS).join(', ')
  const command = program
    .command('compare')
    .description('run two arms in turn as localnets and say what one costs against the other')
    .option('--a <arm>', `first arm: ${names}, or options like routing=none,cache=0 (default ${a})`)
    .option('--b <arm>', `second arm (default ${b})`)
    .option('--rounds <n>', `pairs of runs (default ${rounds}, ${HISTORY_ROUNDS} with --history)`)
    .option('--mixed', 'both arms as nodes of one mesh')
    .option(
      '--history <n>',
      `blocks of old blobs that every node has before; ${historyLocalnet.execution + historyLocalnet.access} nodes then, unless told otherwise`
    )
    .option('--profiles', 'one more run of each arm writes CPU and heap profiles; needs --out')
    .option('--out <dir>', 'where every sample, the report and its page go')
  addLocalnetOptions(command, { defaults: localnet, without: NOT_HERE })
    .option('--json', 'the report as one JSON object')
    .action(async (flags: Flags) => {
      const report = await run(compareOptions(flags), context)
      if (flags['json'] === true) writeJson(context, report)
      else context.stdout.write(renderComparison(report))
      done(report.ok ? EXIT.ok : EXIT.failed)
    })
  // Both have --a and --b: what follows the name of the other is its own.
  command.enablePositionalOptions()
  addPrometheusCommand(command, context, done)
}
