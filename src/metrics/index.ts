/** The one registry of a node (prom-client, injected, never the global one) and the process's own metrics. */
export { type BuildInfo, registerBuildInfo } from './build-info.ts'
export { createProcessProbe, type ProcessProbe, type ProcessReadings } from './process-metrics.ts'
export { createRegistry } from './registry.ts'
