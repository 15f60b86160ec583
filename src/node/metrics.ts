import { Gauge, type Registry } from 'prom-client'

export interface NodeMetrics {
  readonly diskFree: Gauge
}

export function createNodeMetrics(register: Registry): NodeMetrics {
  return {
    diskFree: new Gauge({
      name: 'sealsync_node_disk_free_bytes',
      help: "Bytes free on the data directory's file system",
      registers: [register]
    })
  }
}
