import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { sleep } from '../../util/index.ts'
import { type Point, slopeOf } from './slopes.ts'
import type { Stage } from './stage.ts'
import type { Mode } from './mode.ts'
import { hybrid, mixed } from './hybrid-mode.ts'

const SAMPLE_MS = 1_000
/** The first part of a run fills caches and warms up; slopes begin behind it. */
const WARM_UP_SHARE = 0.1
/** Over less than that a slope says nothing. */
const LEAST_JUDGED_MS = 600_000
/** Resident memory that grows by more than this share of itself in an hour, at the least, is a leak. */
const LEAK_SHARE_AN_HOUR = 0.05

const FIGURES = {
  rss: 'bytes',
  handles: 'handles',
  timers: 'timers',
  diskBesidePayload: 'bytes'
} as const
type Figure = keyof typeof FIGURES

/** One look at everything that could grow. A target that is down just now is left out. */
async function look(stage: Stage): Promise<Partial<Record<Figure, number>>> {
  const { target, watch, arena, catalogue } = stage.parts
  const { pid } = target
  if (pid === undefined || arena === undefined) return {}
  const [handles, scrape, disk] = await Promise.all([
    readdir(`/proc/${pid}/fd`).catch(() => undefined),
    target.scrape().catch(() => undefined),
    sizeOfTree(arena.target.node.plan.dataDir)
  ])
  const timers = scrape?.sum('nodejs_active_resources', { type: 'Timeout' })
  return {
    ...(watch.latest === undefined ? {} : { rss: watch.latest.rssBytes }),
    ...(handles === undefined ? {} : { handles: handles.length }),
    ...(timers === undefined ? {} : { timers }),
    diskBesidePayload: disk - catalogue.bytes
  }
}

async function sizeOfTree(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])) {
    if (!entry.isFile()) continue
    // Allocated, not apparent: the segment being written has its whole length from the start.
    bytes += ((await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.blocks ?? 0) * 512
  }
  return bytes
}

/** The hybrid load for long, and whether anything grows. */
export const soak: Mode = {
  ...hybrid,
  async run(stage) {
    const { clock, options, signal } = stage.parts
    const points: Record<Figure, Point[]> = { rss: [], handles: [], timers: [], diskBesidePayload: [] }
    const startedAt = clock.now()
    const over = new AbortController()
    const sampling = (async (): Promise<void> => {
      while (!over.signal.aborted) {
        const atMs = clock.now() - startedAt
        const seen = atMs < WARM_UP_SHARE * options.forMs ? {} : await look(stage)
        for (const [name, value] of Object.entries(seen)) points[name as Figure].push({ atMs, value })
        await sleep(clock, SAMPLE_MS, over.signal).catch(() => undefined)
      }
    })()
    try {
      await mixed(stage, options.forMs)
    } finally {
      over.abort()
      await sampling
    }
    const slopes = Object.entries(FIGURES).map(([name, unit]) => slopeOf(points[name as Figure], { name, unit }))
    stage.slopes = slopes.filter((slope) => slope !== undefined)
    const rss = stage.slopes.find(({ name }) => name === 'rss')
    const idle = stage.parts.watch.latest?.rssBytes ?? 0
    if (
      rss !== undefined &&
      options.forMs >= LEAST_JUDGED_MS &&
      !signal.aborted &&
      rss.ci95[0] > LEAK_SHARE_AN_HOUR * idle
    )
      stage.reasons.push(`resident memory grows by ${Math.round(rss.perHour)} bytes an hour under an even load`)
  }
}
