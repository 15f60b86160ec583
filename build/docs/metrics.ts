import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import type { Registry } from 'prom-client'
import { createProcessProbe, createRegistry, registerBuildInfo } from '#src/metrics/index.ts'
import { FLOW_METRICS, FLOW_UNITS } from './flow-metrics.ts'
import { code, table } from './markdown.ts'
import { root, sourceFiles } from './source-facts.ts'

export interface MetricFacts {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly labels: readonly string[]
  readonly room: string
  /** flow-go has a metric of this name. */
  readonly flow: boolean
  /** One that prom-client brings for every Node process. */
  readonly ofProcess: boolean
}

/**
 * Every metric of every room, made by the rooms' own factories on one registry, as a node does. A factory is any `create…Metrics`
 * of a file `metrics.ts`; the room `metrics` has its own two.
 */
export async function allMetrics(): Promise<MetricFacts[]> {
  const register = createRegistry()
  const rooms = new Map<string, string>()
  const note = async (room: string, make: () => unknown): Promise<void> => {
    await make()
    for (const { name } of register.getMetricsAsArray()) if (!rooms.has(name)) rooms.set(name, room)
  }
  for (const [room, factory] of await metricFactories()) await note(room, () => factory(register))
  const brought = await broughtByPromClient()
  const [probe, release] = probeOf(register)
  await note('metrics', probe)
  await note('metrics', () => registerBuildInfo(register, NO_BUILD))
  const facts = (await register.getMetricsAsJSON()).map(({ name, type, help }) => ({
    name,
    type: String(type),
    help,
    labels: labelsOf(register, name),
    room: rooms.get(name) ?? '',
    flow: FLOW_METRICS.has(name),
    ofProcess: brought.has(name)
  }))
  release()
  return facts.sort((a, b) => (a.name < b.name ? -1 : 1))
}

const NO_BUILD = { version: '', revision: '', role: '', profile: '', routing: '', policy: '', variant: '' }

type Factory = (register: Registry) => unknown

/** Factories by room, in the order of the files. */
async function metricFactories(): Promise<[room: string, factory: Factory][]> {
  const files = sourceFiles('src').filter((file) => file.endsWith('/metrics.ts'))
  const modules = await Promise.all(
    files.map(
      async (file) =>
        [file.split('/')[1] ?? '', (await import(pathToFileURL(join(root, file)).href)) as object] as const
    )
  )
  return modules.flatMap(([room, exports]) =>
    Object.entries(exports)
      .filter(([name]) => /^create\w*Metrics$/.test(name))
      .map(([, factory]): [string, Factory] => [room, factory as Factory])
  )
}

function probeOf(register: Registry): [make: () => void, release: () => void] {
  let release = (): void => {}
  const make = (): void => {
    const probe = createProcessProbe(register)
    release = () => probe.stop()
  }
  return [make, () => release()]
}

/** The names that the process's metrics have without this project's own. */
async function broughtByPromClient(): Promise<ReadonlySet<string>> {
  const register = createRegistry()
  const [make, release] = probeOf(register)
  make()
  const names = register.getMetricsAsArray().map(({ name }) => name)
  release()
  return new Set(names.filter((name) => !name.startsWith('sealsync_')))
}

/** prom-client's types leave the labels out. */
function labelsOf(register: Registry, name: string): readonly string[] {
  const { labelNames } = register.getSingleMetric(name) as unknown as { readonly labelNames?: readonly string[] }
  return [...(labelNames ?? [])]
}

/** What the values are counted in, by the name. */
function unitOf(name: string): string {
  const flow = FLOW_UNITS.get(name)
  if (flow !== undefined) return flow
  const words = name.replace(/_total$/, '').split('_')
  if (words.includes('bytes')) return 'bytes'
  if (words.includes('seconds')) return 'seconds'
  if (words.at(-1) === 'ms') return 'ms'
  if (words.at(-1) === 'height') return 'height'
  return 'count'
}

/** One table a room, then what prom-client brings. */
export async function metricTables(): Promise<string> {
  const metrics = await allMetrics()
  const own = metrics.filter(({ ofProcess }) => !ofProcess)
  const rooms = [...new Set(own.map(({ room }) => room))].sort()
  const ofRoom = (room: string): string => {
    const rows = own.filter((metric) => metric.room === room)
    return `### ${room}\n\n${table(['name', 'type', 'unit', 'labels', 'Flow', 'meaning'], rows.map(rowOf))}`
  }
  const brought = metrics.filter(({ ofProcess }) => ofProcess).map(({ name, type, help }) => [code(name), type, help])
  return [
    ...rooms.map(ofRoom),
    `### Process defaults of prom-client\n\n${table(['name', 'type', 'meaning'], brought)}`
  ].join('\n\n')
}

function rowOf(metric: MetricFacts): string[] {
  const { name, type, labels, flow, help } = metric
  return [code(name), type, unitOf(name), labels.map(code).join(', '), flow ? 'yes' : '', help]
}
