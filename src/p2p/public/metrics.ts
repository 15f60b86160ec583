import { Counter, Gauge, Registry } from 'prom-client'
import { createP2pMetrics, type P2pMetrics, streamMetrics, wireBytes } from '../metrics.ts'

export type GuestRefusal = 'full' | 'address-full' | 'pending' | 'rate' | 'cooldown' | 'outbound'

const REFUSALS: readonly GuestRefusal[] = ['full', 'address-full', 'pending', 'rate', 'cooldown', 'outbound']

export interface GuestMetrics {
  readonly observers: Gauge
  readonly refusals: Counter<'reason'>
}

export function createGuestMetrics(register: Registry): GuestMetrics {
  const registers = [register]
  const refusals = new Counter({
    name: 'sealsync_p2p_public_refusals_total',
    help: 'Connections to the public host that were refused, by reason.',
    labelNames: ['reason'] as const,
    registers
  })
  for (const reason of REFUSALS) refusals.inc({ reason }, 0)
  const observers = new Gauge({
    name: 'sealsync_p2p_public_observers',
    help: 'Observers connected to the public host.',
    registers
  })
  return { observers, refusals }
}

/**
 * The host's metrics for a public host. What an operator has to see of it has names of its own; the rest counts for nobody, since those
 * metrics are the staked host's and have no label for a second one.
 */
export function createPublicP2pMetrics(register: Registry): P2pMetrics {
  const registers = [register]
  const measures = new Set<() => void>()
  const connections = new Gauge({
    name: 'sealsync_p2p_public_connections',
    help: 'Connections that observers have opened to the public host.',
    registers,
    collect() {
      for (const measure of measures) measure()
    }
  })
  return {
    ...createP2pMetrics(new Registry()),
    ...streamMetrics(registers, 'sealsync_p2p_public'),
    beforeScrape: (measure) => void measures.add(measure),
    inboundConnections: connections,
    wire: wireBytes(registers, 'sealsync_p2p_public_wire_bytes_total')
  }
}
