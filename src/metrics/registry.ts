import { type Metric, Registry } from 'prom-client'
import { quicken } from './quick-metrics.ts'

class QuickRegistry extends Registry {
  override registerMetric<T extends string>(metric: Metric<T>): void {
    quicken(metric)
    super.registerMetric(metric)
  }
}

/** A node's one registry; prom-client's global one is never used, so that two nodes in a process do not mix. */
export function createRegistry(): Registry {
  return new QuickRegistry()
}
