/**
 * PromQL for the panels. Every selector carries job and instance; the variant comes by a join with `sealsync_build_info`, so that
 * the dashboards work whatever labels the scrape configuration adds. `$__rate_interval` is the only range of a panel.
 */
const NODES = 'job=~"$job", instance=~"$instance"'
const INFO = `sealsync_build_info{${NODES}, variant=~"$variant", profile=~"$profile"}`
const JOIN = `* on (job, instance) group_left (variant) ${INFO}`

/** The series of a metric on the chosen nodes. */
export function metric(name: string, matchers = ''): string {
  return `${name}{${NODES}${matchers === '' ? '' : `, ${matchers}`}}`
}

/** A counter's increase a second. */
export function rate(name: string, matchers = ''): string {
  return `rate(${metric(name, matchers)}[$__rate_interval])`
}

/** The change of a gauge a second, by linear regression. */
export function slope(name: string): string {
  return `deriv(${metric(name)}[$__rate_interval])`
}

/** One series a node, and for each value of the labels; with the node's variant. */
export function perNode(inner: string, ...labels: readonly string[]): string {
  return joined(`sum by (${['job', 'instance', ...labels].join(', ')}) (${inner})`)
}

/** Gives an expression that has one series a node, or for a label of it, the node's variant. */
export function joined(perInstance: string): string {
  return `(${perInstance}) ${JOIN}`
}

/** One rate over another, a node each. */
export function ratio(part: string, whole: string): string {
  return joined(`sum by (job, instance) (${part}) / sum by (job, instance) (${whole})`)
}

/** A quantile of a histogram's observations of the last interval, a node each. */
export function quantile(share: number, name: string, matchers = ''): string {
  const buckets = `sum by (job, instance, le) (${rate(`${name}_bucket`, matchers)})`
  return joined(`histogram_quantile(${share}, ${buckets})`)
}

/** A histogram's buckets over all chosen nodes, for a heat map. */
export function buckets(name: string): string {
  return `sum by (le) (${joined(rate(`${name}_bucket`))})`
}

/** A recorded series of the variants. */
export function recorded(name: string, matchers = ''): string {
  return `${name}{job=~"$job"${matchers === '' ? '' : `, ${matchers}`}}`
}

/** A recorded figure of variant A over that of variant B. */
export function aOverB(name: string): string {
  return `avg(${recorded(name, 'variant="$a"')}) / avg(${recorded(name, 'variant="$b"')})`
}
