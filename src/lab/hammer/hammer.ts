/**
 * A hammer run, from its cgroup to its report:
 *
 *   cgroup → network (execution node, target, peers in the driver) → the mode's preparation → quiet time: idle memory → the load
 *   → quiet time: is memory back? → blocks compared, bit for bit → stop → report
 *
 * Whatever goes wrong becomes a reason in the report, and every process that was started is ended. The target is started again when
 * it ends by itself, which is counted, so that one crash does not hide the next.
 */
import { cpus, totalmem } from 'node:os'
import { messageOf, seededRng, sleep } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import type { NetworkComponents } from '../localnet/components.ts'
import { LabHttp } from '../localnet/http.ts'
import { verifyBlocks } from '../localnet/verdict.ts'
import { ApiClient } from './api-client.ts'
import { Arena } from './arena.ts'
import { Catalogue } from './blobs.ts'
import { type Cage, makeCage } from './cage.ts'
import type { Mode } from './mode.ts'
import { MODES } from './modes.ts'
import { type HammerOptions, loadOf, sizeOf } from './options.ts'
import { HammerProgress } from './progress.ts'
import type { HammerReport, RecoveryReport } from './report.ts'
import { openForeign } from './foreign.ts'
import { chunksOf, Stage } from './stage.ts'
import type { Target } from './target.ts'
import { TargetWatch } from './watch.ts'

export interface HammerComponents extends NetworkComponents {
  readonly note: (line: string) => void
}

/** Idle is the median over so long. */
const IDLE_MS = 5_000
/** Memory is to be back within this share of idle. */
const RECOVERED = 1.1
/** Blocks that are compared at the end; of more, as many are picked evenly. */
const MOST_COMPARED = 200
const CATCH_UP_LIMIT_MS = 120_000
const WARM_UP_BYTES = 16 * 1_048_576
const WARM_UP = chunksOf(8, 256 * 1_024)

interface Surroundings {
  readonly arena: Arena | undefined
  readonly target: Target
  readonly peers: Stage['parts']['peers']
  readonly listed?: readonly string[]
  close(): Promise<readonly string[]>
}

interface Seen {
  idle: { readonly rssBytes: number; readonly anonBytes: number } | undefined
  recovery: RecoveryReport | null
}

export class Hammer {
  readonly #components: HammerComponents
  readonly #options: HammerOptions
  readonly #mode: Mode
  readonly #http = new LabHttp()
  readonly #catalogue = new Catalogue()
  readonly #reasons: string[] = []
  readonly #startedAtMs: number
  readonly #startedAt: string
  readonly #seen: Seen = { idle: undefined, recovery: null }
  #cage: Cage | undefined

  constructor(components: HammerComponents, options: HammerOptions) {
    this.#components = components
    this.#options = options
    this.#mode = MODES[options.mode]
    this.#startedAtMs = components.clock.now()
    this.#startedAt = new Date(components.clock.wallNow()).toISOString()
  }

  /** Throws LabError `bad-target` for a target that is none. */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<HammerReport> {
    if (!(await this.#makeCage())) return this.#report(undefined, undefined)
    let stage: Stage | undefined
    let around: Surroundings | undefined
    let oomKills: number | null = null
    const progress = new HammerProgress(this.#components)
    try {
      around = await this.#surround(signal)
      const watch = this.#watch(around)
      stage = this.#stage(around, { watch, signal })
      watch.start()
      progress.start(stage)
      await this.#go(stage)
    } catch (error) {
      if (error instanceof LabError && error.code === 'bad-target') throw error
      if (!signal.aborted) this.#fail(error)
      else this.#reasons.push('interrupted')
    } finally {
      await progress.stop()
      await stage?.parts.watch.stop()
      oomKills = (await around?.target.oomKills().catch(() => null)) ?? (await this.#cage?.oomKills()) ?? null
      stage?.parts.client.close()
      this.#reasons.push(...((await around?.close()) ?? []))
      this.#http.close()
      await this.#cage?.remove()
    }
    return this.#report(stage, { oomKills, target: around?.target })
  }

  /** False when a limit was wanted that cannot be had. */
  async #makeCage(): Promise<boolean> {
    const { memoryBytes, noLimit } = this.#options
    if (memoryBytes === undefined) return true
    try {
      this.#cage = await makeCage(memoryBytes)
      return true
    } catch (error) {
      this.#components.note(messageOf(error))
      if (noLimit) return true
      this.#reasons.push(messageOf(error))
      return false
    }
  }

  async #surround(signal: AbortSignal): Promise<Surroundings> {
    const { clock, rng, initNode, ingest, launcher, note } = this.#components
    const options = this.#options
    const common = { clock, rng, http: this.#http, catalogue: this.#catalogue, note }
    if (options.against !== undefined) return openForeign(common, { options, signal })
    const counts = this.#mode.peers(loadOf(options), options)
    const history = await this.#mode.history?.(options, { signal, note })
    const made = history === undefined ? {} : { history: history.history, firstHeight: history.firstHeight }
    const plan = { options, ...counts, ...made }
    const arena = await Arena.prepare({ ...common, initNode, ingest, launcher, cage: this.#cage }, plan)
    const close = async (): Promise<readonly string[]> => {
      const reasons = await arena.close()
      await history?.remove()
      return reasons
    }
    try {
      note('starting an execution node and the target')
      await arena.start({ signal })
    } catch (error) {
      await close()
      throw error
    }
    return { arena, target: arena.target, peers: arena.peers, listed: history?.lines ?? [], close }
  }

  #watch({ target, arena }: Surroundings): TargetWatch {
    return new TargetWatch(
      { clock: this.#components.clock, target },
      { made: () => arena?.newest, heard: () => arena?.heard }
    )
  }

  #stage(around: Surroundings, use: { readonly watch: TargetWatch; readonly signal: AbortSignal }): Stage {
    const { clock, note } = this.#components
    const { arena, target, peers, listed = [] } = around
    const load = loadOf(this.#options)
    return new Stage({
      options: this.#options,
      load,
      sizeBytes: sizeOf(this.#options),
      clock,
      rng: seededRng(this.#options.seed),
      target,
      ...use,
      catalogue: this.#catalogue,
      client: new ApiClient({ connections: 4 * load.connections }),
      arena,
      peers,
      slowPeers: arena?.slowPeers ?? [],
      listed,
      note
    })
  }

  async #go(stage: Stage): Promise<void> {
    const { watch, signal, note } = stage.parts
    const { quietMs } = this.#options
    // What the first blocks bring to life is there before anything is measured.
    if (stage.parts.arena !== undefined && this.#mode.history === undefined)
      await stage.fill(Math.min(WARM_UP_BYTES, 16 * stage.parts.sizeBytes), WARM_UP, 'warm-up')
    note(`leaving the target alone for ${quietMs / 1000} s`)
    await stage.pause(quietMs)
    this.#seen.idle = watch.recent(Math.min(IDLE_MS, quietMs))
    await this.#mode.prepare?.(stage)
    await this.#mode.run(stage)
    if (signal.aborted) this.#reasons.push('interrupted')
    if (stage.parts.arena === undefined) await this.#stillThere(stage)
    this.#seen.recovery = await this.#recover(stage)
    if (stage.parts.arena !== undefined) await this.#verify(stage)
  }

  /** Nobody starts somebody else's node again. */
  async #stillThere({ parts }: Stage): Promise<void> {
    try {
      await parts.target.status()
    } catch (error) {
      this.#reasons.push(`the target does not answer any more: ${messageOf(error)}`)
    }
  }

  /** The load is over: how long until resident memory is where it was? */
  async #recover(stage: Stage): Promise<RecoveryReport> {
    const { clock, watch, signal, note } = stage.parts
    const { recoveryMs } = this.#options
    const idle = this.#seen.idle?.rssBytes ?? null
    const startedAt = clock.now()
    note('the load is over')
    let last: number | null = null
    while (clock.now() - startedAt < recoveryMs && !signal.aborted) {
      last = watch.latest?.rssBytes ?? null
      if (idle !== null && last !== null && last <= RECOVERED * idle)
        return { seconds: Math.round(clock.now() - startedAt) / 1000, rssBytes: last, idleRssBytes: idle }
      await sleep(clock, 250, signal).catch(() => undefined)
    }
    if (this.#mode.recovers)
      this.#reasons.push(
        `resident memory is ${last ?? '-'} bytes ${recoveryMs / 1000} s after the load, and was ${idle ?? '-'} before`
      )
    return { seconds: null, rssBytes: last, idleRssBytes: idle }
  }

  /** Nothing that was acknowledged is lost: an even choice of all blocks, byte for byte. */
  async #verify(stage: Stage): Promise<void> {
    const { arena, parts } = stage
    const { clock, note } = parts
    const signal = parts.signal.aborted ? AbortSignal.timeout(CATCH_UP_LIMIT_MS) : parts.signal
    await arena.synced({ limitMs: CATCH_UP_LIMIT_MS, signal, consecutive: stage.consecutive })
    const step = Math.max(1, arena.fed.length / MOST_COMPARED)
    const picked = Array.from(
      { length: Math.min(MOST_COMPARED, arena.fed.length) },
      (_, at) => arena.fed[Math.floor(at * step)]
    )
    const fed = picked.filter((block) => block !== undefined)
    note(`comparing ${fed.length} of ${arena.fed.length} blocks`)
    const nodes = [arena.target.node]
    this.#reasons.push(
      ...Object.values(
        await verifyBlocks({ clock, http: this.#http }, nodes, { fed, signal, onProgress: () => {} })
      ).flat()
    )
  }

  #fail(error: unknown): void {
    const lines = error instanceof LabError ? error.details['lastLines'] : undefined
    const last = Array.isArray(lines) ? lines.findLast((line) => typeof line === 'string' && line !== '') : undefined
    this.#reasons.push(last === undefined ? messageOf(error) : `${messageOf(error)}: ${String(last)}`)
    if (Array.isArray(lines)) for (const line of lines) this.#components.note(`  | ${String(line)}`)
  }

  #judge(
    watch: TargetWatch | undefined,
    target: { readonly restarts: number; readonly oomKills: number | null }
  ): void {
    const { lagLimit } = this.#mode
    const lag = watch?.lagMax ?? 0
    if (target.oomKills !== null && target.oomKills > 0)
      this.#reasons.push(`the kernel killed the target ${target.oomKills} times for want of memory`)
    if (target.restarts > 0) this.#reasons.push(`the target ended ${target.restarts} times and was started again`)
    if (lagLimit !== undefined && lag > lagLimit)
      this.#reasons.push(`the target fell ${lag} blocks behind: more than ${lagLimit}`)
  }

  #report(
    stage: Stage | undefined,
    end: { readonly oomKills: number | null; readonly target: Target | undefined } | undefined
  ): HammerReport {
    const { clock, build } = this.#components
    const options = this.#options
    const watch = stage?.parts.watch
    const restarts = end?.target?.restarts ?? 0
    const oomKills = end?.oomKills ?? null
    this.#reasons.push(...(stage?.reasons ?? []))
    this.#judge(watch, { restarts, oomKills })
    const { idle, recovery } = this.#seen
    const { connections, rate } = loadOf(options)
    return {
      schema: 'sealsync.hammer/1',
      ok: this.#reasons.length === 0,
      reasons: this.#reasons,
      mode: options.mode,
      seed: options.seed,
      level: options.level,
      ...build,
      startedAt: this.#startedAt,
      machine: {
        cpus: cpus().length,
        memoryBytes: totalmem(),
        node: process.version,
        platform: `${process.platform}-${process.arch}`
      },
      limits: {
        memoryBytes: this.#cage === undefined ? null : (options.memoryBytes ?? null),
        cgroup: this.#cage?.version ?? null
      },
      load: { connections, rate, sizeBytes: sizeOf(options) },
      wallSeconds: (clock.now() - this.#startedAtMs) / 1000,
      target: {
        profile: end?.target?.profile ?? options.profile,
        rssBytes: { idle: idle?.rssBytes ?? null, peak: watch?.rssPeakBytes ?? null },
        anonBytes: { idle: idle?.anonBytes ?? null, peak: watch?.anonPeakBytes ?? null },
        cpuSeconds: watch?.cpuSeconds ?? null,
        restarts,
        oomKills,
        syncLagMax: watch?.lagMax ?? null,
        syncPauseMsMax: watch?.pauseMaxMs ?? null
      },
      recovery,
      phases: stage?.phases ?? [],
      ...(stage?.slopes === undefined ? {} : { slopes: stage.slopes })
    }
  }
}
