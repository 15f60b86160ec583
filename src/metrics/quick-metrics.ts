import { Counter, Gauge, Histogram, type Metric } from 'prom-client'

/**
 * Puts a short way in front of prom-client's own. The library checks, sorts and joins the labels of each call into a key: one to two
 * microseconds and some garbage, ninety times for each block that a node catches up with. Here a series is found by the values
 * of its labels, and its entry in the library's table is changed in place; what the short way does not know (more than two labels, values
 * that are to be refused, exemplars, a series that is new) goes the library's.
 *
 * `hashMap` and the `…WithoutExemplar` methods are no part of the library's types: its version is pinned, and a test holds what a quick
 * registry prints against what a plain one does.
 */

type Labels = Readonly<Record<string, string | number>>

interface Entry {
  readonly labels: Labels
  /** Of counters and gauges. */
  value: number
  /** Of histograms; what a bucket has beyond those below it. */
  readonly bucketValues: Record<string, number>
  sum: number
  count: number
}

/** What the library's metrics have beside what their types say. */
interface Insides {
  readonly labelNames: readonly string[]
  readonly enableExemplars?: boolean
  readonly upperBounds: readonly number[]
  hashMap: Readonly<Record<string, Entry>>
}

type Call = (labels?: Labels | number, value?: number) => unknown

/** Most labels that the short way knows. */
const MOST_LABELS = 2

type Found = Map<unknown, Entry | Map<unknown, Entry>>

/** The entries of one metric by the values of its labels. Forgets them when the library's table is another, or has lost one. */
class Series {
  readonly #metric: Insides
  /** Made when it is first needed: of hundreds of metrics most rest. */
  #found: Found | undefined
  #table: unknown

  constructor(metric: Insides & { remove(...labels: unknown[]): void }) {
    this.#metric = metric
    const remove = metric.remove.bind(metric)
    metric.remove = (...labels) => {
      this.#found = undefined
      remove(...labels)
    }
  }

  /** `undefined` for a series that is not there yet, and where the labels are not as many as they should be. */
  find(labels: Labels | undefined): Entry | undefined {
    const { hashMap, labelNames } = this.#metric
    if (this.#found === undefined || this.#table !== hashMap) {
      this.#found = new Map()
      this.#table = hashMap
    }
    const found = this.#found
    // By index: taking an array apart makes an iterator for each call.
    const first = labelNames[0]
    const second = labelNames[1]
    if (labels === undefined) return first === undefined ? this.#known(found, '', labels) : undefined
    if (first === undefined || labelNames.length > MOST_LABELS) return undefined
    const value = labels[first]
    if (second === undefined) return this.#known(found, value, labels)
    let below = found.get(value)
    if (!(below instanceof Map)) {
      below = new Map()
      found.set(value, below)
    }
    return this.#known(below, labels[second], labels)
  }

  #known(found: Found, key: unknown, labels: Labels = {}): Entry | undefined {
    const known = found.get(key)
    if (known !== undefined) return known as Entry
    const { hashMap, labelNames } = this.#metric
    const entry = Object.values(hashMap).find((one) => labelNames.every((name) => one.labels[name] === labels[name]))
    if (entry !== undefined) found.set(key, entry)
    return entry
  }
}

/** To be called before the metric's own constructor chooses its methods: when it is registered. */
export function quicken(metric: Metric): void {
  if (metric instanceof Counter) quickenCounter(metric as never)
  else if (metric instanceof Gauge) quickenGauge(metric as never)
  else if (metric instanceof Histogram) quickenHistogram(metric as never)
}

interface Inside extends Insides {
  remove(...labels: unknown[]): void
}

function quickenCounter(counter: Inside & { incWithoutExemplar: Call }): void {
  const slow = counter.incWithoutExemplar.bind(counter)
  const series = new Series(counter)
  counter.incWithoutExemplar = (labels, value) => {
    const plain = typeof labels !== 'object'
    const amount = (plain ? labels : value) ?? 1
    const entry = amount >= 0 && amount < Infinity ? series.find(plain ? undefined : labels) : undefined
    if (entry === undefined || counter.enableExemplars === true) return slow(labels, value)
    entry.value += amount
    return undefined
  }
}

function quickenGauge(gauge: Inside & { set: Call }): void {
  const slow = gauge.set.bind(gauge)
  const series = new Series(gauge)
  gauge.set = (labels, value) => {
    const plain = typeof labels !== 'object'
    const level = plain ? labels : value
    const entry = typeof level === 'number' ? series.find(plain ? undefined : labels) : undefined
    if (entry === undefined || level === undefined) return slow(labels, value)
    entry.value = level
    return undefined
  }
}

function quickenHistogram(histogram: Inside & { observeWithoutExemplar: Call }): void {
  const slow = histogram.observeWithoutExemplar.bind(histogram)
  const series = new Series(histogram)
  let names: readonly string[] | undefined
  let bounds: readonly number[] | undefined
  histogram.observeWithoutExemplar = (labels, value) => {
    const plain = typeof labels !== 'object'
    const seen = plain ? labels : value
    const entry = Number.isFinite(seen) ? series.find(plain ? undefined : labels) : undefined
    if (entry === undefined || seen === undefined) return slow(labels, value)
    names ??= histogram.upperBounds.map(String)
    bounds ??= [...histogram.upperBounds]
    entry.sum += seen
    entry.count += 1
    let at = 0
    while (seen > (bounds[at] ?? Infinity)) at += 1
    const bucket = names[at]
    if (bucket !== undefined) entry.bucketValues[bucket] = (entry.bucketValues[bucket] ?? 0) + 1
    return undefined
  }
}
