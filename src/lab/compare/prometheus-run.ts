import { LabError } from '../errors.ts'
import { comparePrometheus, type PrometheusReport } from './prometheus-compare.ts'
import { type PrometheusOptions, validatePrometheusOptions } from './prometheus-options.ts'
import { PrometheusClient } from './prometheus.ts'

/**
 * Compares two builds by what a Prometheus has of them. Throws LabError `bad-option`, `prometheus-unreachable` and `prometheus-refused`,
 * and the signal's reason.
 */
export async function runPrometheusComparison(
  options: PrometheusOptions,
  context: { readonly signal: AbortSignal }
): Promise<PrometheusReport> {
  const faults = validatePrometheusOptions(options)
  if (faults.length > 0) throw new LabError('bad-option', faults.join('; '))
  const client = new PrometheusClient(options)
  return comparePrometheus((expr, slices, ask) => client.points(expr, slices, ask), options, context)
}
