import { totalmem } from 'node:os'
import {
  atLeast,
  type BudgetMetrics,
  budgetOptions,
  createBudgetMetrics,
  defaultMemoryWatchOptions,
  IdleWatch,
  MemoryBudget,
  MemoryWatch,
  SMALLEST_BUDGET_BYTES,
  validateBudgetOptions
} from '../budget/index.ts'
import type { Logger } from '../log/index.ts'
import type { Fetching } from '../requester/index.ts'
import type { Warehouse } from '../store/index.ts'
import { type Clock, formatSize } from '../util/index.ts'
import type { Registry } from 'prom-client'
import { configError } from './config/load.ts'
import type { NodeConfig } from './config/node-config.ts'
import { faultsOfRooms, largestSteps, type RoomOptions, roomOptions } from './profiles.ts'

/**
 * What a node takes beside its accounts, bytes: the program (some 55 MiB of it file-backed), the JS heap, buffers of the
 * network's libraries under load. Measured idle: 112 to 117 MiB.
 */
const BASE_BYTES = 136 * 1024 ** 2

/** What the machine and its cgroup give. */
export interface MachineMemory {
  readonly totalBytes: number
  /** What the cgroup allows, when it allows less than the machine has. */
  readonly constrainedBytes: number | undefined
}

/** Asked again at each look: an operator may change the cgroup's limit (v1 or v2) while the node runs. */
export function readMachineMemory(): MachineMemory {
  const totalBytes = totalmem()
  const constrained = process.constrainedMemory()
  return { totalBytes, constrainedBytes: constrained > 0 && constrained < totalBytes ? constrained : undefined }
}

export interface MemoryPlan {
  /** What the process may take at the start. */
  readonly limitBytes: number
  /** What all accounts together may hold. */
  readonly totalBytes: number
  readonly cacheBytes: number
}

/**
 * Fits the settings to the machine: where the limit leaves less than `memory.budget`, the budget is what it leaves, and the
 * cache shrinks with it. Throws NodeError `config` for a limit that is too small (and says which would do) or above the machine, and
 * for limits that do not fit each other.
 */
export function planMemory(
  memory: NodeConfig['memory'],
  machine: MachineMemory,
  rooms: RoomOptions = roomOptions('standard')
): MemoryPlan {
  const most = machine.constrainedBytes ?? machine.totalBytes
  const limitBytes = memory.limitBytes ?? most
  if (limitBytes > most) {
    const whose = machine.constrainedBytes === undefined ? 'the machine has' : "the process's cgroup allows"
    throw configError([
      `memory.limit (--memory ${formatSize(limitBytes)}) is more than ${whose}: at most ${formatSize(most)}`
    ])
  }
  const totalBytes = Math.min(memory.totalBytes, limitBytes - BASE_BYTES)
  if (totalBytes < SMALLEST_BUDGET_BYTES) {
    const smallest = formatSize(BASE_BYTES + SMALLEST_BUDGET_BYTES)
    throw configError([
      `memory.limit (--memory, the cgroup or the machine: ${formatSize(limitBytes)}) is too small: the smallest that works is ${smallest}`
    ])
  }
  const cacheBytes = Math.floor((memory.cacheBytes * totalBytes) / memory.totalBytes)
  const faults = [
    ...validateBudgetOptions(budgetOptions({ totalBytes, cacheBytes }), largestSteps(rooms)),
    ...faultsOfRooms(rooms)
  ]
  if (faults.length > 0) throw configError(faults)
  return { limitBytes, totalBytes, cacheBytes }
}

export interface NodeMemory {
  readonly budget: MemoryBudget
  readonly watch: MemoryWatch
  readonly plan: MemoryPlan
  /** What the requester may begin under the pressure of the moment. */
  fetching(): Fetching
  /** The cache that gives way first, once it exists. */
  attach(warehouse: CacheHandle): void
  /** Gives back what a load left, when nothing moves any more; `moved`: bytes since the start. */
  idleWatch(moved: () => number): IdleWatch
}

/** What memory asks of the cache. */
type CacheHandle = Pick<Warehouse, 'clear' | 'giveBack' | 'setShare'>

/** A collection of the whole heap stops everything: not more than one in this time under pressure, ms. */
const COLLECT_EVERY_MS = 10_000
/** By then the buffers that a collection has found are freed, ms. */
const SWEPT_MS = 1_000

/** Share of the cache that is left from each level on. */
const CACHE_SHARE = { none: 1, shrink: 0.25, hold: 0.125, shed: 0, refuse: 0 } as const

export interface MemoryComponents {
  readonly clock: Clock
  readonly logger: Logger
  readonly register: Registry
  readonly readMachine: () => MachineMemory
  /** What is resident of this process, bytes. */
  readonly readResident: () => number
  /** Collects the whole heap, where the process was started so that it can; with `last-resort` it also drops what can be made again. */
  readonly collect: (flavor: 'regular' | 'last-resort') => void
  /** Gives freed memory back to the system. */
  readonly trim: () => void
  /** Lets go of the pages of the index that are mapped: the next read of one takes it from the disk. */
  readonly pageOut: () => void
}

/** The budget and the watch over it, with what each level of pressure does. */
export function createMemory(config: Pick<NodeConfig, 'memory' | 'profile'>, components: MemoryComponents): NodeMemory {
  const metrics = createBudgetMetrics(components.register)
  const plan = planMemory(config.memory, components.readMachine(), roomOptions(config.profile))
  const budget = new MemoryBudget({ metrics }, budgetOptions(plan))
  const watch = createWatch({ ...components, budget, metrics }, config)
  let warehouse: CacheHandle | undefined
  const collectSoon = collectsUnderPressure(components)
  budget.setElastic('cache', (bytes) => warehouse?.giveBack(bytes))
  watch.onLevel((reading, before) => {
    const { level } = reading
    warehouse?.setShare(CACHE_SHARE[level])
    if (atLeast(level, 'shed') && atLeast(level, before)) collectSoon()
    if (atLeast(level, before)) components.trim()
    budget.setClosed('api', atLeast(level, 'shed'))
    budget.setClosed('send', atLeast(level, 'refuse'))
    budget.setClosed('decode', atLeast(level, 'refuse'))
    const fields = { ...reading, before, reservedBytes: budget.reservedBytes }
    if (atLeast(level, 'shed')) components.logger.warn(fields, 'memory is short: requests are refused until it eases')
    else components.logger.info(fields, 'memory pressure changed')
  })
  return {
    budget,
    watch,
    plan,
    fetching: () => (atLeast(watch.level, 'hold') ? 'lowest' : 'all'),
    attach(cache) {
      warehouse = cache
    },
    idleWatch: (moved) => {
      const { idle } = roomOptions(config.profile)
      const rest = ({ quiet, deep }: { readonly quiet: boolean; readonly deep: boolean }): void => {
        if (quiet && idle.emptiesCache) {
          warehouse?.clear()
          components.pageOut()
        }
        components.collect(deep ? 'last-resort' : 'regular')
      }
      const { clock, readResident: resident, trim: afterRest } = components
      return new IdleWatch({ clock, metrics, moved, resident, rest, afterRest }, idle)
    }
  }
}

/**
 * Requests are refused before the heap is full of what lives: V8 lets it grow to several times that before it looks. So what is garbage goes
 * first, and what the collection frees in the background a moment later.
 */
function collectsUnderPressure({ clock, collect, trim }: MemoryComponents): () => void {
  let collectedAt = Number.NEGATIVE_INFINITY
  return () => {
    const now = clock.now()
    if (now - collectedAt < COLLECT_EVERY_MS) return
    collectedAt = now
    collect('regular')
    clock.setTimer(SWEPT_MS, trim, { background: true })
  }
}

function createWatch(
  components: MemoryComponents & { readonly budget: MemoryBudget; readonly metrics: BudgetMetrics },
  config: Pick<NodeConfig, 'memory'>
): MemoryWatch {
  return new MemoryWatch(
    {
      ...components,
      readLimit() {
        const { totalBytes, constrainedBytes } = components.readMachine()
        return Math.min(config.memory.limitBytes ?? totalBytes, constrainedBytes ?? totalBytes)
      }
    },
    defaultMemoryWatchOptions
  )
}
