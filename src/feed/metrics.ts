import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

const RESULTS = ['first', 'vote', 'conflict', 'repeat', 'equivocation', 'old', 'early', 'beyond'] as const
export type AnnouncementResult = (typeof RESULTS)[number]

const HOST_OUTCOMES = [
  'ok',
  'backwards',
  'host-unreachable',
  'host-timeout',
  'host-refused',
  'not-found',
  'execution-data-id-empty',
  'answer-malformed',
  'answer-too-large'
] as const

export interface FeedMetrics {
  readonly sealedHeight: Gauge
  readonly announcements: Counter<'result'>
  readonly conflicts: Counter
  readonly suspicious: Counter
  readonly settled: Counter
  readonly settleSeconds: Histogram
  readonly requests: Counter<'outcome'>
  readonly requestedHeights: Counter
  readonly windowHeights: Gauge
  readonly openHeights: Gauge
  readonly hintBytes: Gauge
  readonly hintsDropped: Counter
  readonly announcers: Gauge
  readonly lines: Counter
  readonly hostCalls: Counter<'outcome'>
  readonly hostsUsable: Gauge
}

export function createFeedMetrics(register: Registry): FeedMetrics {
  const registers = [register]
  const metrics = {
    sealedHeight: new Gauge({
      name: 'consensus_compliance_sealed_height',
      help: 'Highest sealed height known',
      registers
    }),
    lines: new Counter({ name: 'sealsync_feed_lines_total', help: 'Blocks read from a block list', registers }),
    ...createAccessMetrics(register),
    ...createAnnouncementMetrics(register),
    ...createWindowMetrics(register)
  }
  for (const result of RESULTS) metrics.announcements.inc({ result }, 0)
  for (const outcome of ['answered', 'idle']) metrics.requests.inc({ outcome }, 0)
  return metrics
}

function createAccessMetrics(register: Registry) {
  const registers = [register]
  const hostCalls = new Counter({
    name: 'sealsync_feed_host_calls_total',
    help: 'Calls of hosts of the Access API by outcome: ok, backwards (a lower latest height than before), or the code of the error',
    labelNames: ['outcome'] as const,
    registers
  })
  for (const outcome of HOST_OUTCOMES) hostCalls.inc({ outcome }, 0)
  const hostsUsable = new Gauge({
    name: 'sealsync_feed_hosts_usable',
    help: 'Hosts of the Access API that answered last time',
    registers
  })
  return { hostCalls, hostsUsable }
}

function createAnnouncementMetrics(register: Registry) {
  const registers = [register]
  return {
    announcements: new Counter({
      name: 'sealsync_feed_announcements_total',
      help: 'Announcements by what they were: first of a height, vote (agrees), conflict (another id), repeat, equivocation (a node contradicts itself), old (released), early (nobody reads the feed yet), beyond (the window)',
      labelNames: ['result'] as const,
      registers
    }),
    conflicts: new Counter({
      name: 'sealsync_feed_conflicts_total',
      help: 'Heights for which execution nodes announced different blocks or execution data',
      registers
    }),
    suspicious: new Counter({
      name: 'sealsync_feed_suspicious_claims_total',
      help: 'Claims of a height so far above all others that they were not believed',
      registers
    }),
    settled: new Counter({ name: 'sealsync_feed_settled_total', help: 'Heights settled by the quorum', registers }),
    settleSeconds: new Histogram({
      name: 'sealsync_feed_settle_duration_seconds',
      help: 'From the first live announcement of a height to its quorum',
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers
    }),
    requests: new Counter({
      name: 'sealsync_feed_requests_total',
      help: 'Requests for replay by outcome: answered (something new came) or idle',
      labelNames: ['outcome'] as const,
      registers
    }),
    requestedHeights: new Counter({
      name: 'sealsync_feed_requested_heights_total',
      help: 'Heights that requests for replay asked for',
      registers
    })
  }
}

function createWindowMetrics(register: Registry) {
  const registers = [register]
  return {
    windowHeights: new Gauge({
      name: 'sealsync_feed_window_heights',
      help: 'Announced heights kept ahead of what was released',
      registers
    }),
    openHeights: new Gauge({
      name: 'sealsync_feed_open_heights',
      help: 'Heights from the lowest one that the quorum has not settled up to the highest known, within the window',
      registers
    }),
    hintBytes: new Gauge({ name: 'sealsync_feed_hint_bytes', help: 'Memory of the hints kept', registers }),
    hintsDropped: new Counter({
      name: 'sealsync_feed_hints_dropped_total',
      help: 'Hints not kept because their memory was full',
      registers
    }),
    announcers: new Gauge({ name: 'sealsync_feed_announcers', help: 'Connected execution nodes', registers })
  }
}
