/**
 * What others see of a node: three HTTP listeners, the client of the admin one, and the checks that say whether a node is well.
 *
 * - {@link MetricsListener}: `/metrics`, `/livez`, `/readyz`, `/startupz`, `/v1/status`.
 * - {@link ApiListener}: execution data as CAR or JSON, and single blobs.
 * - {@link AdminListener}: the operator's commands, on a unix socket; {@link AdminClient} is the commands' side.
 *
 * All three stand on node:http alone. A web framework costs an idle process some MiB of resident memory and hides the sockets, and both
 * matter here: an idle node must stay under 130 MiB, and what is defended are sockets (slow readers, half answers, resets).
 *
 * Invariants: nothing a client does makes the node hold more than the bounds in `options.ts` say; bytes on their way to a reader are
 * reserved in the memory account before they are read; an answer that has begun is completed or its connection is reset.
 */
export {
  AdminListener,
  type AdminAnswer,
  type AdminListenerComponents,
  type AdminRequest,
  type AdminRoute
} from './admin/admin-listener.ts'
export type { DbPorts } from './admin/db-routes.ts'
export type { PrunePorts } from './admin/prune-route.ts'
export { AdminClient, type AdminCallOptions } from './admin/admin-client.ts'
export {
  type AdminPorts,
  createAdminRoutes,
  EXPORT_PAGE_BLOCKS,
  type ExportPage,
  type IngestBlock
} from './admin/admin-routes.ts'
export { ApiListener, type ApiListenerComponents } from './api-listener.ts'
export { ApiError, type ApiErrorCode, REQUEST_STATUS, type RequestErrorCode } from './errors.ts'
export {
  ExecutionDataReader,
  type ExecutionDataReaderComponents,
  type HeldRange,
  type TreeDescription
} from './execution-data-reader.ts'
export {
  assessHealth,
  type Check,
  HEALTH_CHECKS,
  type Health,
  type HealthCheckName,
  type HealthInputs,
  healthChecks
} from './health.ts'
export type { BoundAddress, ListenerComponents } from './http/tcp-listener.ts'
export { type ApiMetrics, createApiMetrics } from './metrics.ts'
export { MetricsListener, type MetricsListenerComponents } from './metrics-listener.ts'
export {
  type AdminClientOptions,
  type AdminListenerOptions,
  type ApiListenerOptions,
  type ApiOptions,
  DESCRIBED_BLOB_BYTES,
  DESCRIBED_BLOB_TEXT_BYTES,
  defaultApiOptions,
  type ExecutionDataReaderOptions,
  type HealthOptions,
  type HttpLimits,
  type ListenAddress,
  type MetricsListenerOptions,
  STREAM_WINDOW_BYTES,
  validateApiOptions
} from './options.ts'
