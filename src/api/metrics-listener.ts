import type { Registry } from 'prom-client'
import { ApiError } from './errors.ts'
import { assessHealth, type Check, type Health } from './health.ts'
import type { HttpCall } from './http/call.ts'
import type { Route } from './http/route.ts'
import { type ListenerComponents, TcpListener } from './http/tcp-listener.ts'
import type { MetricsListenerOptions } from './options.ts'
import { statusPage } from './status-page/page.ts'

export interface MetricsListenerComponents extends ListenerComponents {
  /** What `/metrics` renders. */
  readonly register: Pick<Registry, 'metrics' | 'contentType'>
  /** The readiness checks as they stand now; must not block. */
  readonly checks: () => readonly Check[]
  /** True from the moment the node has started all its services. */
  readonly started: () => boolean
  /** True from the moment the node was told to stop. */
  readonly stopping: () => boolean
  /** The status report of the contract, §3. */
  readonly status: (options: { readonly signal: AbortSignal }) => Promise<object>
}

/**
 * Metrics and health: `/metrics`, `/livez`, `/readyz`, `/startupz`, `/v1/status` and a page that shows them. Started first and
 * stopped last, so that a node can be watched from its first second to its last.
 */
export class MetricsListener extends TcpListener {
  constructor(components: MetricsListenerComponents, options: MetricsListenerOptions) {
    const routes = [...healthRoutes(components), metricsRoute(components, options.maxScrapes)]
    super({ ...components, routes }, { ...options, name: 'metrics', flag: '--metrics-address' })
  }
}

/** The checks, each also shown in its gauge. */
function assessed({ checks, metrics }: MetricsListenerComponents): Health {
  const health = assessHealth(checks())
  for (const check of health.checks) metrics.checkOk.set({ check: check.name }, check.ok ? 1 : 0)
  return health
}

function showPage(call: HttpCall): Promise<void> {
  const { html, headers } = statusPage()
  return call.text(html, headers)
}

function healthRoutes(components: MetricsListenerComponents): Route[] {
  const methods = ['GET', 'HEAD'] as const
  return [
    { name: 'page', methods, path: '/', handle: showPage },
    { name: 'page', methods, path: '/status', handle: showPage },
    {
      name: 'livez',
      methods,
      path: '/livez',
      handle: (call) => {
        const live = !components.stopping()
        return call.json({ live, ...(live ? {} : { reason: 'the node is stopping' }) }, { status: live ? 200 : 503 })
      }
    },
    {
      name: 'readyz',
      methods,
      path: '/readyz',
      handle: (call) => {
        const { ready, checks } = assessed(components)
        return call.json({ ready, checks }, { status: ready ? 200 : 503 })
      }
    },
    {
      name: 'startupz',
      methods,
      path: '/startupz',
      handle: (call) => {
        const started = components.started()
        const reason = started ? {} : { reason: 'the node is starting: see its log for the step it is at' }
        return call.json({ started, ...reason }, { status: started ? 200 : 503 })
      }
    },
    {
      name: 'status',
      methods,
      path: '/v1/status',
      handle: async (call) => call.json(await components.status({ signal: call.signal }))
    }
  ]
}

function metricsRoute(components: MetricsListenerComponents, maxScrapes: number): Route {
  const { register, metrics, clock } = components
  let scrapes = 0
  const scrape = async (call: HttpCall): Promise<void> => {
    if (scrapes >= maxScrapes) throw new ApiError('too-many-scrapes', `${maxScrapes} scrapes are running`)
    scrapes += 1
    try {
      assessed(components)
      const startedAt = clock.now()
      const text = await register.metrics()
      metrics.scrapeDuration.observe((clock.now() - startedAt) / 1000)
      await call.text(text, { 'Content-Type': register.contentType, 'Cache-Control': 'no-store' })
    } finally {
      scrapes -= 1
    }
  }
  return { name: 'metrics', methods: ['GET', 'HEAD'], path: '/metrics', handle: scrape }
}
