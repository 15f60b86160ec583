/** The metric that a series belongs to: a histogram's `_bucket`, `_sum` and `_count` are one. */
export function wholeMetric(series: string, known: { has(name: string): boolean }): string {
  if (known.has(series)) return series
  const name = series.replace(/_(?:bucket|sum|count)$/, '')
  return known.has(name) ? name : series
}
