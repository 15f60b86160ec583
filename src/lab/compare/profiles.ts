import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LabError } from '../errors.ts'

/** A part of the program, and what it took of CPU samples or of sampled heap. */
export interface RoomShare {
  /** A room (`src/exchange`), a package, or Node itself. */
  readonly room: string
  /** Of all samples, 0 to 1. */
  readonly share: number
  readonly value: number
}

export interface ArmProfile {
  /** Microseconds of self time, of samples in which the process was not idle. */
  readonly cpu: readonly RoomShare[]
  /** Bytes still alive at the end, by who allocated them, sampled. */
  readonly heap: readonly RoomShare[]
}

/** The rooms that a table shows. */
const MOST_ROOMS = 16

interface CallFrame {
  readonly functionName: string
  readonly url: string
}

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: CallFrame
    readonly children?: readonly number[]
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

interface HeapNode {
  readonly callFrame: CallFrame
  readonly selfSize: number
  readonly children: readonly HeapNode[]
}

/** The room or package of a script; `undefined` for Node's own, whose caller then counts. */
function roomOf(url: string): string | undefined {
  const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? []
  if (name !== undefined) return name
  const [, room] = /\/((?:src\/[^/]+)|cmd|bin)\//.exec(url) ?? []
  return room ?? (url === '' || url.startsWith('node:') ? undefined : 'other')
}

/** Self time by room: a function of Node counts for whoever called it. */
export function cpuByRoom(profile: CpuProfile): RoomShare[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const))
  )
  const owners = new Map<number, string>()
  const ownerOf = (id: number): string => {
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const room = owners.get(at) ?? roomOf(nodes.get(at)?.callFrame.url ?? '')
      if (room !== undefined) return room
    }
    return nodes.get(id)?.callFrame.functionName === '(garbage collector)' ? 'garbage collection' : 'node'
  }
  const sums = new Map<string, number>()
  for (const [at, id] of profile.samples.entries()) {
    if (nodes.get(id)?.callFrame.functionName === '(idle)') continue
    const owner = owners.get(id) ?? ownerOf(id)
    owners.set(id, owner)
    sums.set(owner, (sums.get(owner) ?? 0) + (profile.timeDeltas[at] ?? 0))
  }
  return shares(sums)
}

/** Live bytes by room: what Node allocated counts for whoever called it. */
export function heapByRoom(head: HeapNode): RoomShare[] {
  const sums = new Map<string, number>()
  const waiting: (readonly [node: HeapNode, owner: string])[] = [[head, 'node']]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [node, above] = next
    const owner = roomOf(node.callFrame.url) ?? above
    if (node.selfSize > 0) sums.set(owner, (sums.get(owner) ?? 0) + node.selfSize)
    for (const child of node.children) waiting.push([child, owner])
  }
  return shares(sums)
}

function shares(sums: ReadonlyMap<string, number>): RoomShare[] {
  const total = [...sums.values()].reduce((sum, value) => sum + value, 0)
  return [...sums]
    .map(([room, value]) => ({ room, value, share: total > 0 ? value / total : 0 }))
    .sort((a, b) => b.value - a.value)
}

/** Reads what a node left in a folder: the longest of each kind. Throws LabError `bad-answer` when one is not there. */
export async function readProfiles(dir: string): Promise<ArmProfile> {
  const cpu = await largest<CpuProfile>(dir, '.cpuprofile')
  const heap = await largest<{ readonly head: HeapNode }>(dir, '.heapprofile')
  return { cpu: cpuByRoom(cpu).slice(0, MOST_ROOMS), heap: heapByRoom(heap.head).slice(0, MOST_ROOMS) }
}

async function largest<T>(dir: string, ending: string): Promise<T> {
  const names = (await readdir(dir).catch(() => [])).filter((name) => name.endsWith(ending))
  const texts = await Promise.all(names.map((name) => readFile(join(dir, name), 'utf8')))
  const [text] = texts.sort((a, b) => b.length - a.length)
  if (text === undefined) throw new LabError('bad-answer', `the profiled node left no ${ending.slice(1)} in ${dir}`)
  return JSON.parse(text) as T
}
