import { Counter, Gauge, type Registry } from 'prom-client'

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
