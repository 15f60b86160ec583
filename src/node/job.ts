import type { AdminPorts } from '../api/index.ts'
import type { Height } from '../model/index.ts'
import type { ProviderStall } from '../provider/index.ts'
import type { Stall } from '../requester/index.ts'
import type { JobStatus } from './status.ts'

/** What a node is there for: following the feed (access) or announcing blocks (execution). Its services are in the stack already. */
export interface NodeJob {
  status(): JobStatus
  /** The highest height that nothing here needs any more; `undefined` while there is none. */
  doneWith(): Height | undefined
  /** Set when the job cannot go past a height without an operator. */
  halted(): { readonly height: number; readonly reason: string } | undefined
  /** What keeps the consecutive height from moving, when something does. */
  stall(): Stall | ProviderStall | undefined
  /** Blocks behind the feed; `undefined` while the feed has given nothing. */
  lag(): number | undefined
  /** Takes blocks from an operator; execution nodes only. */
  readonly ingest?: AdminPorts['ingest']
}

/** Figures of a job that measures no latency. */
export const NO_LATENCY = { count: 0, p50: null, p95: null, p99: null, p999: null, max: null, buckets: [] } as const
