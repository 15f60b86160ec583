import { parseArgs } from 'node:util'
import { parseSize } from '#src/util/index.ts'
import { catchUp } from './benchmarks/catch-up.ts'
import { codec } from './benchmarks/codec.ts'
import { fanOut } from './benchmarks/fan-out.ts'
import { herd } from './benchmarks/herd.ts'
import { hostile } from './benchmarks/hostile.ts'
import { idle } from './benchmarks/idle.ts'
import { oneByOne } from './benchmarks/one-by-one.ts'
import { scrape } from './benchmarks/scrape.ts'
import { flat } from './benchmarks/flat.ts'
import { open } from './benchmarks/open.ts'
import { shed } from './benchmarks/shed.ts'
import { space } from './benchmarks/space.ts'
import { store } from './benchmarks/store.ts'
import { versusBoxo } from './benchmarks/versus-boxo.ts'
import { chain } from './benchmarks/chain.ts'
import { versusHelia } from './benchmarks/versus-helia.ts'
import { type Benchmark, type BenchOptions, isContender } from './harness/bench.ts'
import { renderReport } from './harness/report.ts'
import { HOSTILE_MODES } from '#src/lab/hammer/attacks.ts'

const BENCHMARKS: readonly Benchmark[] = [
  herd,
  hostile,
  catchUp,
  chain,
  oneByOne,
  fanOut,
  idle,
  versusHelia,
  versusBoxo,
  codec,
  scrape,
  store,
  flat,
  open,
  shed,
  space
]

const EXIT = { ok: 0, failed: 1, usage: 2 } as const

class UsageError extends Error {}

type Value = string | boolean | undefined

const text = (flag: string, value: Value): string => {
  if (typeof value !== 'string' || value === '') throw new UsageError(`--${flag} needs a value`)
  return value
}
const count = (flag: string, value: Value): number => {
  const number = Number(text(flag, value))
  if (!(number >= 0)) throw new UsageError(`--${flag} ${value}: not a number of 0 or more`)
  return number
}
const size = (flag: string, value: Value): number => {
  const bytes = parseSize(text(flag, value))
  if (bytes === undefined) throw new UsageError(`--${flag} ${value}: not a size such as 64KiB or 1GiB`)
  return bytes
}
const counts = (flag: string, value: Value): number[] =>
  text(flag, value)
    .split(/[,|]/)
    .map((part) => count(flag, part))

interface Flag {
  readonly option: keyof BenchOptions
  readonly help: string
  readonly switch?: true
  read(flag: string, value: Value): BenchOptions[keyof BenchOptions]
}

const FLAGS: Readonly<Record<string, Flag>> = {
  rounds: { option: 'rounds', help: 'runs of each contender', read: count },
  contenders: {
    option: 'contenders',
    help: 'comma list of sealsync, classic, boxo, boxo-shared, boxo-patient, helia, helia-tuned',
    read: readContenders
  },
  modes: { option: 'modes', help: 'what a hostile peer does (comma list)', read: readModes },
  nodes: { option: 'nodes', help: 'nodes of a herd (comma list)', read: counts },
  producers: { option: 'producers', help: 'of them make the blobs', read: count },
  seconds: { option: 'seconds', help: 'measured seconds of a herd', read: count },
  'warm-up': { option: 'warmUp', help: 'seconds before', read: count },
  rate: { option: 'rate', help: 'blobs a second', read: count },
  blob: { option: 'blob', help: 'size of a blob', read: size },
  delay: { option: 'delay', help: 'one-way delay of every link, ms (comma list)', read: counts },
  silent: { option: 'silent', help: 'fetchers that stop dead half way', read: count },
  'silent-producer': { option: 'silentProducer', help: 'producers that stop dead half way', read: count },
  holders: { option: 'holders', help: 'nodes that hold everything (comma list)', read: counts },
  bytes: { option: 'bytes', help: 'bytes to fetch', read: size },
  count: { option: 'count', help: 'blobs to fetch one by one, or blocks of a chain', read: count },
  blocks: { option: 'blocks', help: 'blocks that pass through a store, or lie in it', read: count },
  keys: { option: 'keys', help: 'index keys to shed', read: count },
  gib: { option: 'gib', help: 'GiB of blobs to store', read: count },
  data: { option: 'data', help: 'folder of the filled store, made once and kept', read: text },
  security: { option: 'security', help: 'tls or noise', read: readSecurity },
  'no-pin': { option: 'pin', help: 'leave the placing of processes to the kernel', switch: true, read: () => false },
  'node-flags': {
    option: 'nodeFlags',
    help: 'flags for the Node processes, to profile them',
    read: (flag, value) =>
      text(flag, value)
        .split(' ')
        .filter((part) => part !== '')
  }
}

function readContenders(flag: string, value: Value): NonNullable<BenchOptions['contenders']> {
  return text(flag, value)
    .split(',')
    .map((name) => {
      if (!isContender(name)) throw new UsageError(`--${flag}: no contender '${name}'`)
      return name
    })
}

function readModes(flag: string, value: Value): readonly string[] {
  const names = text(flag, value).split(',')
  const unknown = names.find((name) => HOSTILE_MODES[name] === undefined)
  if (unknown === undefined) return names
  throw new UsageError(`--${flag}: no mode '${unknown}'; there are ${Object.keys(HOSTILE_MODES).join(', ')}`)
}

function readSecurity(flag: string, value: Value): 'tls' | 'noise' {
  const name = text(flag, value)
  if (name !== 'tls' && name !== 'noise') throw new UsageError(`--${flag} ${name}: tls or noise`)
  return name
}

/** Runs one benchmark; gives the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await run(args)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`bench: ${error.message}\n`)
    return EXIT.usage
  }
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args)
  const [name, ...more] = positionals
  if (name === undefined) {
    process.stdout.write(listing())
    return EXIT.ok
  }
  const benchmark = BENCHMARKS.find((one) => one.name === name)
  if (benchmark === undefined || more.length > 0) {
    throw new UsageError(`no benchmark '${positionals.join(' ')}'; without a name they are listed`)
  }
  const started = performance.now()
  const progress = (line: string): void => {
    process.stderr.write(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${name}: ${line}\n`)
  }
  const report = await benchmark.run(optionsOf(benchmark, values), progress)
  process.stdout.write(values['json'] === true ? `${JSON.stringify(report)}\n` : renderReport(report))
  return report.ok ? EXIT.ok : EXIT.failed
}

function parse(args: readonly string[]): { values: Record<string, Value>; positionals: string[] } {
  const flags = Object.entries(FLAGS).map(([flag, one]) => [flag, { type: one.switch ? 'boolean' : 'string' } as const])
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean' }, ...Object.fromEntries(flags) }
    }) as { values: Record<string, Value>; positionals: string[] }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function optionsOf(benchmark: Benchmark, values: Readonly<Record<string, Value>>): BenchOptions {
  const given = Object.entries(values).filter(([flag]) => flag !== 'json')
  return Object.fromEntries(
    given.map(([flag, value]) => {
      const known = FLAGS[flag]
      if (known === undefined || !benchmark.flags.includes(known.option)) {
        throw new UsageError(`${benchmark.name} does not heed --${flag}`)
      }
      return [known.option, known.read(flag, value)]
    })
  )
}

function listing(): string {
  const flagsOf = (benchmark: Benchmark): string =>
    Object.entries(FLAGS)
      .filter(([, { option }]) => benchmark.flags.includes(option))
      .map(([flag]) => `--${flag}`)
      .join(' ')
  return [
    'npm run bench -- NAME [--json] [flags]',
    '',
    ...BENCHMARKS.map(
      (benchmark) => `${benchmark.name.padEnd(14)} ${benchmark.summary}\n${' '.repeat(15)}${flagsOf(benchmark)}`
    ),
    '',
    ...Object.entries(FLAGS).map(([flag, { help }]) => `--${flag.padEnd(17)} ${help}`),
    ''
  ].join('\n')
}
