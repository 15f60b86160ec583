import type { Height } from '../../model/index.ts'
import { type Clock, type Rng, sleep } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import type { ApiClient } from './api-client.ts'
import type { Arena, MadeBlock, Shape } from './arena.ts'
import type { Catalogue } from './blobs.ts'
import type { LoadPeer } from './load-peer.ts'
import type { HammerOptions, LoadLevel } from './options.ts'
import type { PhaseReport, Slope } from './report.ts'
import { Tally } from './tally.ts'
import type { Target } from './target.ts'
import type { TargetWatch } from './watch.ts'

export interface StageParts {
  readonly options: HammerOptions
  readonly load: LoadLevel
  readonly sizeBytes: number
  readonly clock: Clock
  readonly rng: Rng
  readonly target: Target
  readonly watch: TargetWatch
  readonly catalogue: Catalogue
  readonly client: ApiClient
  /** With a network of our own. */
  readonly arena: Arena | undefined
  readonly peers: readonly LoadPeer[]
  readonly slowPeers: readonly LoadPeer[]
  /** Lines of blocks that the execution node holds already. */
  readonly listed: readonly string[]
  readonly note: (line: string) => void
  /** Ends the run. */
  readonly signal: AbortSignal
}

/** So many chunks of about that length: the blocks of a load that is to weigh something. */
export const chunksOf = (count: number, bytes: number): Shape => ({
  chunkBytes: Array.from({ length: count }, () => bytes)
})

export type Figures = PhaseReport['figures']

/** How long a target may take to sync what was made, when it is waited for. */
const SYNC_LIMIT_MS = 300_000
/** A load goes on for so long at most until the first request is served. */
const FIRST_ANSWER_MS = 30_000

/** What a mode works with: the target and its surroundings, and the report that grows. */
export class Stage {
  readonly parts: StageParts
  readonly phases: PhaseReport[] = []
  readonly reasons: string[] = []
  slopes: readonly Slope[] | undefined
  /** What goes on just now, for the progress line. */
  current: { readonly name: string; readonly tally: Tally } | undefined

  constructor(parts: StageParts) {
    this.parts = parts
  }

  get arena(): Arena {
    if (this.parts.arena === undefined) throw new LabError('bad-option', 'this mode needs a network of its own')
    return this.parts.arena
  }

  /** Runs one phase, and puts what came of it into the report. */
  async phase(name: string, run: (tally: Tally) => Promise<Figures | void>): Promise<PhaseReport> {
    const { clock, note } = this.parts
    const tally = new Tally()
    const startedAt = clock.now()
    this.current = { name, tally }
    note(`${name} begins`)
    try {
      const figures = await run(tally)
      const report = tally.report(name, (clock.now() - startedAt) / 1000)
      const phase = figures === undefined ? report : { ...report, figures }
      this.phases.push(phase)
      return phase
    } finally {
      this.current = undefined
    }
  }

  /** Runs loads together for so long; all of them end with the signal they are given. */
  async during(ms: number, loads: readonly ((signal: AbortSignal) => Promise<void>)[]): Promise<void> {
    const { signal } = this.parts
    const over = new AbortController()
    const all = AbortSignal.any([signal, over.signal])
    const running = loads.map((load) => load(all))
    // A load that fails ends the others, and the phase.
    const failed = Promise.all(running).then(() => undefined)
    try {
      await Promise.race([this.#lasting(ms), failed])
      over.abort()
      await failed
    } finally {
      over.abort()
      await Promise.allSettled(running)
    }
  }

  /** The time of a load, and longer where nothing was served yet: a machine that has no time for it is waited for. */
  async #lasting(ms: number): Promise<void> {
    const { clock, signal } = this.parts
    const until = clock.now() + ms
    const atMost = until + FIRST_ANSWER_MS
    while (!signal.aborted && clock.now() < (this.current?.tally.ok === 0 ? atMost : until)) {
      const left = until - clock.now()
      await sleep(clock, left > 0 ? left : 50, signal).catch(() => undefined)
    }
  }

  /** Fills the target's store up to so many bytes, as fast as it syncs. */
  async fill(bytes: number, shape: Shape, name = 'fill'): Promise<void> {
    const { catalogue } = this.parts
    await this.phase(name, async (tally) => {
      const before = catalogue.bytes
      const full = new AbortController()
      const stop = this.arena.onBlock(({ blobs }) => {
        for (const blob of blobs) tally.add({ kind: 'ok', bytes: blob.size }, 0)
        if (catalogue.bytes - before >= bytes) full.abort()
      })
      try {
        await this.push({ shape, signal: AbortSignal.any([this.parts.signal, full.signal]) })
      } finally {
        stop()
      }
      return { storeBytes: catalogue.bytes }
    })
  }

  async push(use: { readonly shape: Shape; readonly blocks?: number; readonly signal?: AbortSignal }): Promise<void> {
    const { signal } = this.parts
    await this.arena.push({ signal, ...use, consecutive: this.consecutive })
    await this.arena.synced({ limitMs: SYNC_LIMIT_MS, signal, consecutive: this.consecutive })
  }

  readonly consecutive = (): Height | undefined => this.parts.watch.consecutive

  onBlock(listener: (block: MadeBlock) => void): () => void {
    return this.arena.onBlock(listener)
  }

  pause(ms: number): Promise<void> {
    return sleep(this.parts.clock, ms, this.parts.signal)
  }
}
