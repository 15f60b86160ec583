import { Gauge, type Registry } from 'prom-client'

/** The labels by which dashboards and comparisons tell nodes and arms apart. */
export interface BuildInfo {
  readonly version: string
  readonly revision: string
  readonly role: string
  readonly profile: string
  readonly routing: string
  readonly policy: string
  readonly variant: string
}

/** `sealsync_build_info{…} 1` */
export function registerBuildInfo(register: Registry, info: BuildInfo): void {
  new Gauge({
    name: 'sealsync_build_info',
    help: 'Always 1; the labels say what this build is and how it runs',
    labelNames: ['version', 'revision', 'role', 'profile', 'routing', 'policy', 'variant'],
    registers: [register]
  }).set({ ...info }, 1)
}
