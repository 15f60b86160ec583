import type { Command } from 'commander'
import { type LocalnetOptions, parseSettings } from '#src/lab/index.ts'
import { exactDuration, exactSize, parseDuration, parseSize } from '#src/util/index.ts'
import { UsageError } from './context.ts'

type ValueType = 'count' | 'rate' | 'size' | 'duration' | 'text' | 'boolean' | 'settings'

interface OptionRow {
  readonly key: keyof LocalnetOptions
  readonly flag: string
  /** How the value is called in the help; nothing for a switch. */
  readonly value?: string
  readonly type: ValueType
  readonly help: string
  /** What holds when it is not given and has no default of its own. */
  readonly unset?: string
}

const count = (key: keyof LocalnetOptions, flag: string, help: string): OptionRow => ({
  key,
  flag,
  value: 'n',
  type: 'count',
  help
})

const OPTIONS: readonly OptionRow[] = [
  count('execution', 'execution', 'execution nodes'),
  count('access', 'access', 'access nodes'),
  count('observer', 'observer', 'observers'),
  { ...count('blocks', 'blocks', 'end after so many blocks'), unset: 'no end' },
  {
    key: 'forMs',
    flag: 'for',
    value: 'duration',
    type: 'duration',
    help: 'end after so long, as 60s',
    unset: 'no end'
  },
  { key: 'rate', flag: 'rate', value: 'blocks-per-second', type: 'rate', help: 'blocks a second' },
  {
    key: 'source',
    flag: 'source',
    value: 'source',
    type: 'text',
    help: 'chain, synthetic, chain+synthetic, or a folder with blocks.jsonl and CAR files'
  },
  {
    key: 'blobSize',
    flag: 'blob-size',
    value: 'size',
    type: 'size',
    help: 'size of each synthetic blob',
    unset: 'mixed'
  },
  {
    ...count('blobsPerBlock', 'blobs-per-block', 'blobs in each synthetic block'),
    unset: '1, or mixed where the sizes are'
  },
  count('seed', 'seed', 'seed of synthetic blocks'),
  count('dhtAccess', 'dht-access', 'access nodes that run with the DHT'),
  { key: 'routing', flag: 'routing', value: 'arm', type: 'text', help: 'none or dht' },
  { key: 'policy', flag: 'policy', value: 'arm', type: 'text', help: 'assigned or classic' },
  { key: 'security', flag: 'security', value: 'name', type: 'text', help: 'tls or noise' },
  { key: 'profile', flag: 'profile', value: 'name', type: 'text', help: 'profile of every node' },
  {
    key: 'settings',
    flag: 'set',
    value: 'settings',
    type: 'settings',
    help: 'further settings of every node by their flags, as cache=0,search-ahead=64'
  },
  {
    key: 'retention',
    flag: 'retention',
    value: 'heights',
    type: 'count',
    help: 'newest heights that access nodes keep, execution nodes ten times as many',
    unset: 'all'
  },
  count('silent', 'silent', 'access nodes stopped with SIGSTOP half way'),
  count('silentExecution', 'silent-execution', 'the same for execution nodes'),
  count('kill', 'kill', 'access nodes killed half way and started again'),
  { key: 'delayMs', flag: 'delay', value: 'ms', type: 'duration', help: 'one-way delay of every link' },
  { key: 'out', flag: 'out', value: 'dir', type: 'text', help: 'where logs and the report go' },
  { key: 'keepData', flag: 'keep-data', type: 'boolean', help: 'leave the data directories in --out' },
  { key: 'quietMs', flag: 'quiet', value: 'duration', type: 'duration', help: 'quiet time at the end, for idle memory' }
]

const PARSERS: Readonly<Record<ValueType, (text: string) => unknown>> = {
  count: (text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined),
  rate: (text) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined),
  size: parseSize,
  duration: parseDuration,
  text: (text) => (text === '' ? undefined : text),
  boolean: () => true,
  settings: (text) => parseSettings(text)
}

const EXPECTED: Readonly<Record<ValueType, string>> = {
  count: 'a whole number',
  rate: 'a number',
  size: 'a size like 256KiB',
  duration: 'a duration like 30s or 10ms',
  text: 'a value',
  boolean: 'nothing',
  settings: 'settings like cache=0,log-level=debug'
}

export type Flags = Readonly<Record<string, string | boolean | undefined>>

const camel = (flag: string): string => flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())

/** The options of a localnet from flags. Throws UsageError that names the flag, for a value that is none. */
export function readLocalnetOptions(flags: Flags, defaults: LocalnetOptions): LocalnetOptions {
  const given = OPTIONS.flatMap((row) => {
    const text = flags[camel(row.flag)]
    if (text === undefined) return []
    const value = PARSERS[row.type](String(text))
    if (value === undefined) throw new UsageError(`--${row.flag} '${String(text)}' must be ${EXPECTED[row.type]}`)
    return [[row.key, value] as const]
  })
  return { ...defaults, ...(Object.fromEntries(given) as Partial<LocalnetOptions>) }
}

/** Adds the flags of {@link readLocalnetOptions}, without some. */
export function addLocalnetOptions(
  command: Command,
  use: { readonly defaults: LocalnetOptions; readonly without?: ReadonlySet<keyof LocalnetOptions> }
): Command {
  for (const { key, flag, value, type, help, unset } of OPTIONS) {
    if (use.without?.has(key) === true) continue
    const standard = use.defaults[key]
    const known = typeof standard === 'string' || typeof standard === 'number'
    const shown = known ? shownDefault(type, standard) : unset
    const text = shown === undefined ? help : `${help} (default ${shown})`
    command.option(value === undefined ? `--${flag}` : `--${flag} <${value}>`, text)
  }
  return command
}

function shownDefault(type: ValueType, value: string | number): string {
  if (typeof value === 'number' && type === 'duration') return exactDuration(value)
  return typeof value === 'number' && type === 'size' ? exactSize(value) : String(value)
}
