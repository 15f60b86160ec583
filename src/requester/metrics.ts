import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

export interface RequesterMetrics {
  readonly downloadDurationMs: Histogram
  readonly inProgressDownloads: Gauge
  readonly outstandingNotifications: Gauge
  readonly highestDownloadHeight: Gauge
  readonly highestNotificationHeight: Gauge
  readonly downloadRetries: Counter
  readonly failedDownloads: Counter
  readonly announceToStored: Histogram
  readonly downloadedBytes: Counter
  readonly aheadHeights: Gauge
  readonly aheadBytes: Gauge
  readonly inFlightBytes: Gauge
  readonly haltedHeights: Gauge
  readonly unobtainableHeights: Gauge
  readonly stalled: Gauge
  readonly settledDifferently: Counter
  readonly putOff: Counter
  readonly notifiedUnsettled: Counter
  readonly listenerFailures: Counter
}

/**
 * The first seven have the names and meaning of flow-go (`module/metrics/execution_data_requester.go`), except that the gauges
 * start at 0 and that the highest download height is what is stored now, not what was before the last job.
 */
export function createRequesterMetrics(register: Registry): RequesterMetrics {
  const registers = [register]
  return { ...createFlowMetrics(registers), ...createGauges(registers), ...createCounters(registers) }
}

function createFlowMetrics(registers: Registry[]) {
  const flow = 'state_synchronization_execution_data_requester_'
  return {
    downloadDurationMs: new Histogram({
      name: `${flow}execution_requester_download_duration_ms`,
      help: 'Duration of one try to fetch the execution data of a block, failed tries included',
      buckets: [1, 100, 500, 1000, 2000, 5000],
      registers
    }),
    inProgressDownloads: new Gauge({
      name: `${flow}execution_requester_in_progress_downloads`,
      help: 'Blocks whose execution data is being fetched now',
      registers
    }),
    outstandingNotifications: new Gauge({
      name: `${flow}execution_requester_outstanding_notifications`,
      help: 'Consecutive heights of which the listeners have not been told yet',
      registers
    }),
    highestDownloadHeight: new Gauge({
      name: `${flow}execution_requester_highest_download_height`,
      help: 'Highest height below which everything from the start is verified, stored and tracked',
      registers
    }),
    highestNotificationHeight: new Gauge({
      name: `${flow}execution_requester_highest_notification_height`,
      help: 'Highest height of which the listeners were told',
      registers
    }),
    downloadRetries: new Counter({
      name: `${flow}execution_requester_download_retries_total`,
      help: 'Tries to fetch a block again after a failed one',
      registers
    }),
    failedDownloads: new Counter({
      name: `${flow}execution_data_failed_downloads_total`,
      help: 'Failed tries to fetch the execution data of a block',
      registers
    })
  }
}

function createGauges(registers: Registry[]) {
  const gauge = (name: string, help: string) => new Gauge({ name: `sealsync_requester_${name}`, help, registers })
  return {
    aheadHeights: gauge('ahead_heights', 'Heights held above the consecutive height'),
    aheadBytes: gauge('ahead_bytes', 'Bytes held above the consecutive height'),
    inFlightBytes: gauge('in_flight_bytes', 'Bytes that the running downloads are expected to bring'),
    haltedHeights: gauge(
      'halted_heights',
      'Heights whose execution data is malformed and therefore not asked for again'
    ),
    unobtainableHeights: gauge('unobtainable_heights', 'Missing heights that no source offers any more'),
    stalled: gauge('stalled', '1 while the consecutive height does not move though the feed is ahead of it')
  }
}

function createCounters(registers: Registry[]) {
  const counter = (name: string, help: string) => new Counter({ name: `sealsync_requester_${name}`, help, registers })
  return {
    announceToStored: new Histogram({
      name: 'sealsync_requester_announce_to_stored_seconds',
      help: 'From the announcer saying that a block exists to its blob tree being durable and tracked here; live announcements only',
      // A fast network takes some ms for a small block, a lost peer costs seconds: a factor of about two a step, up to the minute
      // after which a height counts as catching up.
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60],
      registers
    }),
    downloadedBytes: counter('downloaded_bytes_total', 'Bytes of the blob trees that were completed'),
    settledDifferently: counter(
      'settled_differently_total',
      'Blocks that the quorum settled on after another one had been taken for the height'
    ),
    putOff: counter(
      'put_off_total',
      'Times that a download ahead of need was put off because memory or disk was short'
    ),
    notifiedUnsettled: counter(
      'notified_unsettled_total',
      'Heights handed on without a quorum because no source offers them any more'
    ),
    listenerFailures: counter('listener_failures_total', 'Times a listener rejected and was given the height again')
  }
}
