/**
 * Anything that is started and stopped. `start` may be called once; `stop` is idempotent and safe before `start`.
 * `failed` (where there is one) rejects with the first error that the service cannot recover from.
 */
export interface Service {
  start(): Promise<void>
  stop(): Promise<void>
  readonly failed?: Promise<never>
}
