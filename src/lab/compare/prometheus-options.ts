/** What a comparison out of a Prometheus is told. */
export interface PrometheusOptions {
  /** The server's address, with a path before `/api/v1` if it has one. */
  readonly url: string
  /** Label matchers of `sealsync_build_info`, which tell the builds apart. */
  readonly a: string
  readonly b: string
  /** Unix time, s. */
  readonly from: number
  readonly to: number
  /** Parts of the time that each count as one round. */
  readonly slices: number
  /** How long one query may take, ms. */
  readonly timeoutMs: number
  /** Of the bootstrap. */
  readonly seed: number
}

export const defaultPrometheusOptions = Object.freeze({
  a: 'variant="no-dht"',
  b: 'variant="dht"',
  /** Until now, s. */
  windowSeconds: 3_600,
  slices: 12,
  timeoutMs: 30_000,
  seed: 1
})

/** A rate needs two scrapes, which are seldom closer than a second. */
const LEAST_SLICE_SECONDS = 5
/** More than a bootstrap gains from, and each is a point of every query. */
const MAX_SLICES = 1_000
/** Longer ones are no matchers that anybody typed. */
const MAX_MATCHERS = 512

const ONE = '[a-zA-Z_][a-zA-Z0-9_]*\\s*(?:=|!=|=~|!~)\\s*"(?:[^"\\\\\\n]|\\\\.)*"'
const MATCHERS = new RegExp(`^\\s*${ONE}(?:\\s*,\\s*${ONE})*\\s*$`)

/** One sentence for each option that cannot be followed. */
export function validatePrometheusOptions(options: PrometheusOptions): string[] {
  const matchers = (text: string): boolean => text.length <= MAX_MATCHERS && MATCHERS.test(text)
  const seconds = options.to - options.from
  const checks: readonly (readonly [boolean, string])[] = [
    [isHttp(options.url), `--url '${options.url}' is no http:// or https:// address`],
    [matchers(options.a), `--a '${options.a}' must be label matchers like ${defaultPrometheusOptions.a}`],
    [matchers(options.b), `--b '${options.b}' must be label matchers like ${defaultPrometheusOptions.b}`],
    [
      Number.isSafeInteger(options.slices) && options.slices >= 2 && options.slices <= MAX_SLICES,
      `--slices must lie between 2 and ${MAX_SLICES}: one alone has no spread`
    ],
    [seconds > 0, '--from must lie before --to'],
    [
      !(seconds > 0) || seconds / options.slices >= LEAST_SLICE_SECONDS,
      `each of ${options.slices} slices must last ${LEAST_SLICE_SECONDS} s or longer: give more time or fewer --slices`
    ]
  ]
  return checks.filter(([holds]) => !holds).map(([, fault]) => fault)
}

function isHttp(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)
}
