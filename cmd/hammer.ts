import { Argument, type Command } from 'commander'
import {
  defaultHammerOptions,
  HAMMER_LEVELS,
  HAMMER_MODES,
  type HammerMode,
  type HammerLevel,
  type HammerOptions,
  type HammerReport,
  LabError,
  parseSettings,
  renderHammer,
  runHammer,
  validateHammerOptions
} from '#src/lab/index.ts'
import { parseDuration, parseSize } from '#src/util/index.ts'
import { type CommandContext, UsageError, writeJson } from './context.ts'
import { EXIT } from './exit-codes.ts'

type Flags = Readonly<Record<string, string | boolean | undefined>>
type Parse = readonly [parse: (text: string) => unknown, expected: string]

const whole: Parse = [(text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined), 'a whole number']
const rate: Parse = [(text) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined), 'a number']
const size: Parse = [parseSize, 'a size like 256MiB']
const duration: Parse = [parseDuration, 'a duration like 30s']
const text: Parse = [(value) => (value === '' ? undefined : value), 'a value']
const settings: Parse = [(value) => parseSettings(value), 'settings like cache=0,log-level=debug']
const yes: Parse = [() => true, 'nothing']
const level: Parse = [
  (value) => (HAMMER_LEVELS.includes(value as HammerLevel) ? value : undefined),
  `one of ${HAMMER_LEVELS.join(', ')}`
]

const { forMs, seed, hops, profile, quietMs, recoveryMs } = defaultHammerOptions

/** Option, flag, how it is read, how its value is called in the help, help. */
const OPTIONS: readonly (readonly [keyof HammerOptions, string, Parse, string, string])[] = [
  ['level', 'level', level, 'level', `light, heavy or storm (default ${defaultHammerOptions.level})`],
  [
    'connections',
    'connections',
    whole,
    'n',
    'peers of the target, and as many clients of its HTTP interface (default: by level)'
  ],
  ['rate', 'rate', rate, 'blocks-per-second', 'blocks a second that the network goes on making (default: by level)'],
  [
    'sizeBytes',
    'size',
    size,
    'size',
    'the store that is read, the object that fans out, the message that is called (default: by mode and level)'
  ],
  ['forMs', 'for', duration, 'duration', `how long the load lasts (default ${forMs / 1_000}s)`],
  ['seed', 'seed', whole, 'n', `of blocks and of what is asked for (default ${seed})`],
  ['hops', 'hops', whole, 'n', `access nodes in a chain of calls (default ${hops})`],
  ['blocks', 'blocks', whole, 'n', 'most blocks of growth (default 10000)'],
  ['memoryBytes', 'memory', size, 'size', 'a cgroup with the target alone in it is given so much'],
  ['noLimit', 'no-limit', yes, '', 'go on without a cgroup where none can be made'],
  ['profile', 'profile', text, 'name', `profile of the target (default ${profile})`],
  ['settings', 'set', settings, 'settings', 'further settings of the target by their flags, as cache=0'],
  ['against', 'against', text, 'address', 'a node that runs already: HOST:PORT or multiaddress of its p2p side'],
  ['againstMetrics', 'metrics-address', text, 'host:port', 'its metrics listener (default: port 8080 there)'],
  ['againstApi', 'api-address', text, 'host:port', 'its API listener (default: port 8070 there)'],
  ['networkKeyFile', 'network-key-file', text, 'file', 'private key of an entry in its identity table'],
  [
    'quietMs',
    'quiet',
    duration,
    'duration',
    `quiet time before the load, for idle memory (default ${quietMs / 1_000}s)`
  ],
  [
    'recoveryMs',
    'recovery',
    duration,
    'duration',
    `how long memory may take to come back (default ${recoveryMs / 1_000}s)`
  ],
  ['out', 'out', text, 'dir', 'where logs and the report go']
]

const camel = (flag: string): string => flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())

/** The options of `hammer` from its mode and flags. Throws UsageError that names the flag. */
export function hammerOptions(mode: string, flags: Flags): HammerOptions {
  const given = OPTIONS.flatMap(([key, flag, [parse, expected]]) => {
    // commander reads --no-x as x being false
    const value = flag === 'no-limit' ? (flags['limit'] === false ? 'yes' : undefined) : flags[camel(flag)]
    if (value === undefined) return []
    const parsed = parse(String(value))
    if (parsed === undefined) throw new UsageError(`--${flag} '${String(value)}' must be ${expected}`)
    return [[key, parsed] as const]
  })
  const options: HammerOptions = {
    ...defaultHammerOptions,
    ...(Object.fromEntries(given) as Partial<HammerOptions>),
    mode: mode as HammerMode
  }
  const faults = validateHammerOptions(options)
  if (faults.length > 0) throw new UsageError(faults.join('; '))
  return options
}

async function run(options: HammerOptions, context: CommandContext): Promise<HammerReport> {
  try {
    return await runHammer(options, { stream: context.stderr, signal: context.signal })
  } catch (error) {
    if (error instanceof LabError && error.code === 'bad-option') throw new UsageError(error.message)
    throw error
  }
}

/** `hammer`: loads a node until something gives; exit code 1 when something did. */
export function addHammerCommand(program: Command, context: CommandContext, done: (code: number) => void): void {
  const command = program
    .command('hammer')
    .description('load a node, in a memory limit if told so, and say how it stood it')
    .addArgument(new Argument('<mode>', 'what is done to it').choices(HAMMER_MODES))
  for (const [, flag, , value, help] of OPTIONS)
    command.option(value === '' ? `--${flag}` : `--${flag} <${value}>`, help)
  command.option('--json', 'the report as one JSON object').action(async (mode: string, flags: Flags) => {
    const report = await run(hammerOptions(mode, flags), context)
    if (flags['json'] === true) writeJson(context, report)
    else context.stdout.write(renderHammer(report))
    done(report.ok ? EXIT.ok : EXIT.failed)
  })
}
