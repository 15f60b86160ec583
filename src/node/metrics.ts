import { Counter, Gauge, type Registry } from 'prom-client'

export interface NodeMetrics {
  readonly diskFree: Gauge
  readonly uncheckedBlocks: Counter
}

export function createNodeMetrics(register: Registry): NodeMetrics {
  return {
    diskFree: new Gauge({
      name: 'sealsync_node_disk_free_bytes',
      help: "Bytes free on the data directory's file system",
      registers: [register]
    }),
    uncheckedBlocks: new Counter({
      name: 'sealsync_node_unchecked_blocks_total',
      help: 'Blocks stored whose content was not checked because decoding them needs more memory than there is',
      registers: [register]
    })
  }
}
