import type { Command } from 'commander'
import {
  defaultPrometheusOptions,
  LabError,
  type PrometheusOptions,
  type PrometheusReport,
  renderPrometheus,
  runPrometheusComparison,
  validatePrometheusOptions
} from '#src/lab/index.ts'
import { parseDuration, systemClock } from '#src/util/index.ts'
import { type CommandContext, UsageError, writeJson } from './context.ts'
import { EXIT } from './exit-codes.ts'
import type { Flags } from './localnet-options.ts'

const whole = (flags: Flags, name: string): number | undefined => {
  const text = flags[name]
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(String(text))) throw new UsageError(`--${name} '${String(text)}' must be a whole number`)
  return Number(text)
}

/** Unix time, s: a date, seconds, `now`, or a duration before `--to` or now, like `-90m`. */
function timeOf(flags: Flags, name: 'from' | 'to', before: number): number | undefined {
  const text = flags[name]
  if (text === undefined) return undefined
  const said = String(text)
  const back = said.startsWith('-') ? parseDuration(said.slice(1)) : undefined
  if (back !== undefined) return before - back / 1000
  if (said === 'now') return before
  const seconds = /^\d{1,12}(\.\d+)?$/.test(said) ? Number(said) : Date.parse(said) / 1000
  if (Number.isFinite(seconds)) return seconds
  throw new UsageError(`--${name} '${said}' must be a date like 2026-11-20T08:00:00Z, Unix seconds, now, or like -90m`)
}

/** The options of `compare prometheus` from its flags; `nowSeconds` is Unix time. Throws UsageError that names the flag. */
export function prometheusOptions(flags: Flags, nowSeconds: number): PrometheusOptions {
  const { windowSeconds, ...defaults } = defaultPrometheusOptions
  const to = timeOf(flags, 'to', nowSeconds) ?? nowSeconds
  const timeout = flags['timeout'] === undefined ? defaults.timeoutMs : parseDuration(String(flags['timeout']))
  if (timeout === undefined || timeout <= 0)
    throw new UsageError(`--timeout '${String(flags['timeout'])}' must be a duration like 30s`)
  const options = {
    url: String(flags['url'] ?? ''),
    a: String(flags['a'] ?? defaults.a),
    b: String(flags['b'] ?? defaults.b),
    from: timeOf(flags, 'from', to) ?? to - windowSeconds,
    to,
    slices: whole(flags, 'slices') ?? defaults.slices,
    timeoutMs: timeout,
    seed: whole(flags, 'seed') ?? defaults.seed
  }
  const faults = validatePrometheusOptions(options)
  if (faults.length > 0) throw new UsageError(faults.join('; '))
  return options
}

async function run(options: PrometheusOptions, context: CommandContext): Promise<PrometheusReport> {
  try {
    return await runPrometheusComparison(options, { signal: context.signal })
  } catch (error) {
    if (error instanceof LabError && error.code === 'bad-option') throw new UsageError(error.message)
    throw error
  }
}

/** `compare prometheus`: the same table from a Prometheus that scrapes both builds; exit code 1 when one of them is not in it. */
export function addPrometheusCommand(compare: Command, context: CommandContext, done: (code: number) => void): void {
  const { a, b, slices, timeoutMs, windowSeconds } = defaultPrometheusOptions
  compare
    .command('prometheus')
    .description('the same table from a Prometheus that scrapes both builds')
    .requiredOption('--url <address>', 'of the Prometheus server, like http://127.0.0.1:9090')
    .option('--a <matchers>', `labels of the first build's sealsync_build_info (default ${a})`)
    .option('--b <matchers>', `labels of the second build (default ${b})`)
    .option('--from <time>', `a date, Unix seconds, or like -90m before --to (default -${windowSeconds / 60}m)`)
    .option('--to <time>', 'a date, Unix seconds, now, or like -90m (default now)')
    .option('--slices <n>', `parts of the time, each of which is one round (default ${slices})`)
    .option('--timeout <duration>', `for one query (default ${timeoutMs / 1000}s)`)
    .option('--seed <n>', 'of the bootstrap')
    .option('--json', 'the report as one JSON object')
    .action(async (flags: Flags) => {
      const report = await run(prometheusOptions(flags, systemClock.wallNow() / 1000), context)
      if (flags['json'] === true) writeJson(context, report)
      else context.stdout.write(renderPrometheus(report))
      done(report.ok ? EXIT.ok : EXIT.failed)
    })
}
