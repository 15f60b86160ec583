import { Counter, Gauge, type Registry } from 'prom-client'

export interface NodeMetrics {
  readonly diskFree: Gauge
  readonly diskTotal: Gauge
  readonly uncleanStart: Gauge
  readonly uncheckedBlocks: Counter
}

export function createNodeMetrics(register: Registry): NodeMetrics {
  return {
    diskFree: new Gauge({
      name: 'sealsync_node_disk_free_bytes',
      help: "Bytes free on the data directory's file system",
      registers: [register]
    }),
    diskTotal: new Gauge({
      name: 'sealsync_node_disk_total_bytes',
      help: "Bytes of the data directory's file system",
      registers: [register]
    }),
    uncleanStart: new Gauge({
      name: 'sealsync_node_unclean_start',
      help: '1 when the run before this one did not end in order (killed, crashed, power cut)',
      registers: [register]
    }),
    uncheckedBlocks: new Counter({
      name: 'sealsync_node_unchecked_blocks_total',
      help: 'Blocks stored whose content was not checked: decoding them needs more memory than there is, or sync.check-content says none',
      registers: [register]
    })
  }
}
