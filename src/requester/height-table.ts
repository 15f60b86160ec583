import { type Height, type SealedBlock, sameSeal } from '../model/index.ts'
import {
  checkTransition,
  type HaltedHeight,
  type HeightState,
  type RunningHeight,
  type WaitingHeight,
  withoutHint
} from './height-state.ts'
import { MinHeap } from './min-heap.ts'
import type { Fetching } from './ports.ts'
import { SizeEstimate } from './size-estimate.ts'

export interface HeightTableOptions {
  readonly maxSearchAhead: number
  readonly maxAheadBytes: number
  readonly maxInFlightBytes: number
  readonly maxHintCids: number
  readonly concurrency: number
  readonly lowestHeights: number
}

interface Retry {
  readonly height: Height
  readonly dueAt: number
}

/**
 * The heights above the frontier and what state each is in; which one runs next. Pure: no time of its own, no input or output.
 *
 * Invariants
 * - every height up to and including `frontier` is verified, stored, tracked and decoded; the frontier only grows
 * - no height above `frontier + maxSearchAhead` is in the table
 * - running ≤ concurrency, and the last slot is the lowest missing height's
 * - a height other than the lowest starts only while held and expected bytes stay within both byte bounds
 *
 * A height at or below the frontier is in the table only while the block that the quorum settled on replaces another one there;
 * until it is held, the other stays tracked, so the frontier remains true.
 */
export class HeightTable {
  /** Heights that could have begun but for the fetching allowed; whoever counts them takes them. */
  putOff = 0
  readonly #options: HeightTableOptions
  readonly #estimate = new SizeEstimate()
  readonly #states = new Map<Height, HeightState>()
  readonly #ready = new MinHeap<Height>((height) => height)
  readonly #hot = new MinHeap<Height>((height) => height)
  readonly #delayed = new MinHeap<Retry>((retry) => retry.dueAt)
  readonly #replaced = new Set<Height>()
  #frontier: Height
  #highestHeld: Height
  #running = 0
  #waiting = 0
  #halted = 0
  #heldBytes = 0
  #reservedBytes = 0
  #hintCids = 0

  /** `frontier` is the last height held; −1 when the first is height 0. */
  constructor(frontier: Height, options: HeightTableOptions) {
    this.#frontier = frontier
    this.#highestHeld = frontier
    this.#options = options
  }

  get frontier(): Height {
    return this.#frontier
  }
  get highestHeld(): Height {
    return this.#highestHeld
  }
  get running(): number {
    return this.#running
  }
  get haltedCount(): number {
    return this.#halted
  }
  /** Heights held above the frontier. */
  get heldCount(): number {
    return this.#states.size - this.#running - this.#waiting - this.#halted
  }
  get heldBytes(): number {
    return this.#heldBytes
  }
  get reservedBytes(): number {
    return this.#reservedBytes
  }
  get size(): number {
    return this.#states.size
  }

  get(height: Height): HeightState | undefined {
    return this.#states.get(height)
  }

  /** The lowest height above the frontier that is not held, if the feed has given it. */
  lowest(): HeightState | undefined {
    return this.#states.get(this.#frontier + 1)
  }

  /** Whether the feed may be read on to this height. */
  hasRoomFor(height: Height): boolean {
    if (height > this.#frontier + this.#options.maxSearchAhead) return false
    return this.#hintCids < this.#options.maxHintCids || this.#waiting < this.#options.concurrency
  }

  /** The first height of [from, below) that the feed has not given. */
  firstUnknown(from: Height, below: Height): Height | undefined {
    for (let height = Math.max(from, this.#frontier + 1); height < below; height += 1) {
      if (!this.#states.has(height)) return height
    }
    return undefined
  }

  /** The lowest height above the frontier that the table knows. */
  firstKnown(): Height | undefined {
    let lowest: Height | undefined
    for (const height of this.#states.keys()) {
      if (height > this.#frontier && (lowest === undefined || height < lowest)) lowest = height
    }
    return lowest
  }

  /**
   * Takes a block from the feed. `old`: at or below the frontier. `beyond`: above the window. `conflict`: another block is known for
   * the height, which stays until the quorum settles.
   */
  offer(block: SealedBlock, options: { readonly hot: boolean }): 'new' | 'known' | 'old' | 'beyond' | 'conflict' {
    const { height } = block
    if (height <= this.#frontier) return 'old'
    if (height > this.#frontier + this.#options.maxSearchAhead) return 'beyond'
    const state = this.#states.get(height)
    if (state === undefined) {
      this.#enter(height, waiting(block, { hot: options.hot }))
      return 'new'
    }
    if (!sameSeal(state.block, block)) return 'conflict'
    if (state.kind === 'waiting' && state.block.hint === undefined && block.hint !== undefined) {
      this.#enter(height, { ...state, block })
    }
    return 'known'
  }

  /**
   * The quorum settled on this block. A different one that waits, runs, is held or halted gives way; a running try is aborted first.
   * `same` when it is the block already known, `replaced` otherwise.
   */
  supersede(block: SealedBlock, reason: unknown): 'same' | 'replaced' {
    const { height } = block
    const state = this.#states.get(height)
    if (state?.kind === 'running') {
      if (sameSeal(state.successor ?? state.block, block)) return 'same'
      this.#enter(height, { ...state, successor: block })
      state.controller.abort(reason)
      return 'replaced'
    }
    if (state !== undefined && sameSeal(state.block, block)) {
      if (state.kind === 'halted') this.#enter(height, { ...state, confirmed: true })
      return 'same'
    }
    if (height <= this.#frontier) this.#replaced.add(height)
    this.#enter(height, waiting(block, { hot: false }))
    return 'replaced'
  }

  /** Moves the next height that may start into `running`; `undefined` when none may. */
  begin(now: number, fetching: Fetching = 'all'): RunningHeight | undefined {
    this.#promote(now)
    const next = fetching === 'none' ? undefined : this.#pick(now, fetching)
    if (next === undefined) return undefined
    const { block, attempt, hot } = next
    const reservedBytes = this.#estimate.of(block)
    const controller = new AbortController()
    const running = { block, attempt, hot, startedAt: now, reservedBytes, controller, successor: undefined }
    return this.#enter(block.height, { kind: 'running', ...running }) as RunningHeight
  }

  /** A try brought the whole tree. The frontier moves over what is held without a gap. */
  hold(run: RunningHeight, tree: { readonly bytes: number; readonly blobs: number }): void {
    const { height } = run.block
    this.#estimate.learn(tree.bytes, tree.blobs)
    if (this.#giveWay(height)) return
    this.#highestHeld = Math.max(this.#highestHeld, height)
    this.#enter(height, { kind: 'held', block: withoutHint(run.block), bytes: tree.bytes })
    if (this.#replaced.delete(height)) this.#leave(height)
    while (this.#states.get(this.#frontier + 1)?.kind === 'held') {
      this.#frontier += 1
      this.#leave(this.#frontier)
    }
  }

  /** A try failed; the height waits until `dueAt`. */
  postpone(run: RunningHeight, next: { readonly dueAt: number; readonly gone: boolean }): void {
    if (this.#giveWay(run.block.height)) return
    const { block, attempt, hot } = run
    this.#enter(block.height, { kind: 'waiting', block, attempt: attempt + 1, hot, ...next })
  }

  /** A try showed that the data is malformed. False when another block is to be fetched instead anyway. */
  halt(run: RunningHeight, fault: { readonly message: string; readonly sinceMs: number }): boolean {
    if (this.#giveWay(run.block.height)) return false
    this.#enter(run.block.height, { kind: 'halted', block: withoutHint(run.block), confirmed: false, ...fault })
    return true
  }

  /** Halted heights, lowest first, at most `limit`. */
  halted(limit: number): HaltedHeight[] {
    if (this.#halted === 0) return []
    const all = [...this.#states.values()].filter((state) => state.kind === 'halted')
    return all.sort((a, b) => a.block.height - b.block.height).slice(0, limit)
  }

  /** When the next delayed height falls due. */
  get nextDueAt(): number | undefined {
    return this.#delayed.peek()?.dueAt
  }

  #giveWay(height: Height): boolean {
    const state = this.#states.get(height)
    if (state?.kind !== 'running' || state.successor === undefined) return false
    this.#enter(height, waiting(state.successor, { hot: false }))
    return true
  }

  #pick(now: number, fetching: Fetching): WaitingHeight | undefined {
    const { concurrency, maxAheadBytes, maxInFlightBytes } = this.#options
    const hot = this.#top(this.#hot, now)
    const cold = this.#top(this.#ready, now)
    if (this.#running >= concurrency) return undefined
    let others = this.#running
    for (const height of [...this.#replaced, this.#frontier + 1]) {
      const first = this.#states.get(height)
      if (first?.kind === 'waiting' && first.dueAt <= now) return first
      if (first?.kind === 'running') others -= 1
    }
    const next = fetching === 'lowest' ? this.#lowest(now) : (hot ?? cold)
    if (fetching === 'lowest' && next === undefined && (hot ?? cold) !== undefined) this.putOff += 1
    if (others >= concurrency - 1 || next === undefined) return undefined
    const bytes = this.#estimate.of(next.block)
    if (this.#reservedBytes + bytes > maxInFlightBytes) return undefined
    return this.#heldBytes + this.#reservedBytes + bytes > maxAheadBytes ? undefined : next
  }

  /** The lowest that waits, of those that are fetched when memory is short. */
  #lowest(now: number): WaitingHeight | undefined {
    for (let ahead = 1; ahead <= this.#options.lowestHeights; ahead += 1) {
      const state = this.#states.get(this.#frontier + ahead)
      if (state?.kind === 'waiting' && state.dueAt <= now) return state
    }
    return undefined
  }

  /** Drops what is not due any more: a height that started as the lowest leaves its entry, which comes up here next. */
  #top(heap: MinHeap<Height>, now: number): WaitingHeight | undefined {
    for (let height = heap.peek(); height !== undefined; height = heap.peek()) {
      const state = this.#states.get(height)
      if (state?.kind === 'waiting' && state.dueAt <= now) return state
      heap.pop()
    }
    return undefined
  }

  #promote(now: number): void {
    for (let retry = this.#delayed.peek(); retry !== undefined && retry.dueAt <= now; retry = this.#delayed.peek()) {
      this.#delayed.pop()
      const state = this.#states.get(retry.height)
      if (state?.kind === 'waiting' && state.dueAt === retry.dueAt) this.#queue(state)
    }
  }

  #queue(state: WaitingHeight): void {
    ;(state.hot ? this.#hot : this.#ready).push(state.block.height)
  }

  #enter(height: Height, to: HeightState): HeightState {
    const from = this.#states.get(height)
    checkTransition(height, from, to)
    if (from !== undefined) this.#count(from, -1)
    this.#states.set(height, to)
    this.#count(to, 1)
    if (to.kind === 'waiting' && !(from?.kind === 'waiting' && from.dueAt === to.dueAt)) {
      if (to.dueAt === 0) this.#queue(to)
      else this.#delayed.push({ height, dueAt: to.dueAt })
    }
    return to
  }

  #leave(height: Height): void {
    const state = this.#states.get(height)
    if (state === undefined) return
    this.#count(state, -1)
    this.#states.delete(height)
  }

  #count(state: HeightState, by: 1 | -1): void {
    if (state.kind === 'waiting' || state.kind === 'running') this.#hintCids += by * (state.block.hint?.length ?? 0)
    if (state.kind === 'waiting') this.#waiting += by
    else if (state.kind === 'halted') this.#halted += by
    else if (state.kind === 'held') this.#heldBytes += by * state.bytes
    else {
      this.#running += by
      this.#reservedBytes += by * state.reservedBytes
    }
  }
}

function waiting(block: SealedBlock, { hot }: { readonly hot: boolean }): WaitingHeight {
  return { kind: 'waiting', block, attempt: 0, dueAt: 0, hot, gone: false }
}
