import { parseArgs } from 'node:util'
import { parseSize } from '#src/util/index.ts'
import { chaos } from './chaos-run.ts'
import { cold } from './cold.ts'
import { herd, liar, stall } from './herd.ts'
import { renderReport } from './render.ts'
import { defaultScenarioOptions, type Scenario, type ScenarioOptions, type SimReport } from './scenario.ts'

const SCENARIOS: readonly Scenario[] = [chaos, herd, cold, liar, stall]
const EXIT = { ok: 0, failed: 1, usage: 2 } as const

class UsageError extends Error {}

const number = (flag: string, value: string): number => {
  const read = Number(value)
  if (value === '' || !(read >= 0)) throw new UsageError(`--${flag} ${value}: not a number of 0 or more`)
  return read
}
/** `A` or `A-B`. */
const range = (flag: string, value: string): readonly [number, number] => {
  const [least, most] = value.split('-')
  const from = number(flag, least ?? '')
  return [from, most === undefined ? from : number(flag, most)]
}

interface Flag {
  readonly option: keyof ScenarioOptions
  readonly help: string
  readonly read: (flag: string, value: string) => ScenarioOptions[keyof ScenarioOptions]
}

const FLAGS: Readonly<Record<string, Flag>> = {
  policy: { option: 'policy', help: 'assigned or classic', read: readPolicy },
  patient: { option: 'patient', help: 'yes: classic with timeouts many times as long', read: readYes },
  nodes: { option: 'nodes', help: 'nodes in all', read: number },
  producers: { option: 'producers', help: 'of them make the blobs', read: number },
  silent: { option: 'silent', help: 'of them hear and say nothing', read: number },
  'silent-at': { option: 'silentAt', help: 'from this share of the run on', read: number },
  liars: { option: 'liars', help: 'of them acknowledge and deliver nothing', read: number },
  stalls: { option: 'stalls', help: 'stalls of each process in a minute', read: number },
  'stall-ms': { option: 'stallMs', help: 'how long one lasts, A-B', read: range },
  delay: { option: 'delayMs', help: 'one-way delay of a link, ms, A-B', read: range },
  uplink: { option: 'uplinkMbit', help: 'uplink of each node, Mbit/s', read: number },
  seconds: { option: 'seconds', help: 'virtual seconds in which blobs are made', read: number },
  rate: { option: 'rate', help: 'blobs a second', read: number },
  blob: { option: 'blobBytes', help: 'size of a blob', read: readSize },
  holders: { option: 'holders', help: 'nodes that hold everything (cold)', read: number },
  blobs: { option: 'blobs', help: 'blobs to fetch (cold)', read: number },
  minutes: { option: 'minutes', help: 'virtual minutes of faults (chaos)', read: number }
}

function readPolicy(flag: string, value: string): ScenarioOptions['policy'] {
  if (value !== 'assigned' && value !== 'classic') throw new UsageError(`--${flag} ${value}: assigned or classic`)
  return value
}

function readYes(flag: string, value: string): boolean {
  if (value !== 'yes' && value !== 'no') throw new UsageError(`--${flag} ${value}: yes or no`)
  return value === 'yes'
}

function readSize(flag: string, value: string): number {
  const bytes = parseSize(value)
  if (bytes === undefined) throw new UsageError(`--${flag} ${value}: not a size such as 64KiB or 1MiB`)
  return bytes
}

/** Runs the simulation that the arguments name; gives the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await run(args)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`sim: ${error.message}\n${usage()}`)
    return EXIT.usage
  }
}

async function run(args: readonly string[]): Promise<number> {
  const values = parse(args)
  if (values['help'] === true) {
    process.stdout.write(usage())
    return EXIT.ok
  }
  const name = values['scenario'] ?? chaos.name
  const scenario = SCENARIOS.find((one) => one.name === name)
  if (scenario === undefined) throw new UsageError(`no scenario '${String(name)}'`)
  const asked = given(values)
  const defaults = { ...scenario.defaults, ...(asked.policy === 'classic' ? scenario.classicDefaults : {}) }
  const options: ScenarioOptions = { ...defaultScenarioOptions, ...defaults, ...asked }
  check(options)
  const report = await runScenario(scenario, options)
  process.stdout.write(values['json'] === true ? `${JSON.stringify(report)}\n` : renderReport(report))
  return report.ok ? EXIT.ok : EXIT.failed
}

async function runScenario(scenario: Scenario, options: ScenarioOptions): Promise<SimReport> {
  const started = performance.now()
  const seconds = (): number => (performance.now() - started) / 1000
  let spokenAt = 0
  const outcome = await scenario.run(options, (line) => {
    if (seconds() - spokenAt < 3) return
    spokenAt = seconds()
    process.stderr.write(`${seconds().toFixed(0).padStart(5)} s  ${scenario.name}: ${line}\n`)
  })
  const missed = outcome.goals.filter((goal) => !goal.ok)
  const reasons = [...outcome.broken, ...missed.map((goal) => `${goal.name} ${goal.value}, goal ${goal.goal}`)]
  return {
    schema: 'sealsync.sim/1',
    scenario: scenario.name,
    ok: reasons.length === 0,
    reasons,
    seed: options.seed,
    options: { ...options },
    figures: outcome.figures,
    goals: outcome.goals,
    ...(outcome.rows === undefined ? {} : { rows: outcome.rows }),
    wallSeconds: Number(seconds().toFixed(1))
  }
}

type Values = Readonly<Record<string, string | boolean | undefined>>

function parse(args: readonly string[]): Values {
  const flags = Object.keys(FLAGS).map((flag) => [flag, { type: 'string' }] as const)
  try {
    return parseArgs({
      args: [...args],
      options: {
        scenario: { type: 'string' },
        seed: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
        ...Object.fromEntries(flags)
      }
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function given(values: Values): Partial<ScenarioOptions> {
  const read = Object.entries(FLAGS).flatMap(([flag, { option, read: from }]) => {
    const value = values[flag]
    return typeof value === 'string' ? [[option, from(flag, value)] as const] : []
  })
  const { seed } = values
  return { ...Object.fromEntries(read), ...(typeof seed === 'string' ? { seed: number('seed', seed) } : {}) }
}

function check(options: ScenarioOptions): void {
  const { nodes, producers, silent, liars } = options
  if (producers < 1) throw new UsageError('--producers must be 1 or more: somebody makes the blobs')
  if (nodes - producers - liars - silent < 1) throw new UsageError('--nodes leaves nobody who fetches and answers')
}

function usage(): string {
  return [
    'npm run sim -- [--seed S] [--minutes M] [--json]',
    'npm run sim -- --scenario NAME [flags] [--json]',
    '',
    ...SCENARIOS.map(({ name, summary }) => `${name.padEnd(8)} ${summary}`),
    '',
    ...Object.entries(FLAGS).map(([flag, { help }]) => `--${flag.padEnd(12)} ${help}`),
    ''
  ].join('\n')
}
