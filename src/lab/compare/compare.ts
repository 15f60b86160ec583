/**
 * Two arms on one machine: runs in turn (A B B A …), each a localnet of real processes with the same seed and load, so that what the
 * machine does meanwhile falls on both; then every measure of both, with an interval for how many times one is of the other.
 *
 * A run that did not come to its end, or in which a process died, is reported and counts for nothing; neither does its partner. That an
 * arm did not keep up is a finding: its figures count, and what it lacked is told beside them. An
 * interrupt ends the run that is under way, and what was measured before it is reported.
 */
import { join } from 'node:path'
import { messageOf } from '../../util/index.ts'
import type { LocalnetReport } from '../localnet/report.ts'
import type { LocalnetOptions } from '../options.ts'
import type { Arm } from './arms.ts'
import { type Effect, effectsOf, type Round } from './effects.ts'
import type { Side } from './measures.ts'
import type { CompareOptions } from './options.ts'
import type { ArmProfile } from './profiles.ts'
import { reprovideNote, reprovideSettings } from './reprovide.ts'
import { type CompareReport, verdictOf } from './report.ts'

export interface CompareComponents {
  /** Runs one localnet to its report. */
  readonly run: (options: LocalnetOptions, context: { readonly signal: AbortSignal }) => Promise<LocalnetReport>
  readonly note: (line: string) => void
  /** Reads what a profiled node left in a folder. */
  readonly profilesOf: (dir: string) => Promise<ArmProfile>
  readonly build: { readonly version: string; readonly revision: string }
  readonly now: () => number
  readonly wallNow: () => number
}

/** The node that is profiled: its peers are as they always are. */
const PROFILED = 'access-1'

type Which = 'a' | 'b' | 'ab'

interface Done {
  readonly which: Which
  readonly round: number
  readonly report: LocalnetReport
}

/** A B, B A, A B …: each arm is as often first as second. A mixed mesh has both at once. */
export function orderOf(rounds: number, mixed: boolean): readonly Which[] {
  if (mixed) return Array.from({ length: rounds }, () => 'ab' as const)
  return Array.from({ length: rounds }, (_, at) =>
    at % 2 === 0 ? (['a', 'b'] as const) : (['b', 'a'] as const)
  ).flat()
}

export class Compare {
  readonly #components: CompareComponents
  readonly #options: CompareOptions
  readonly #arms: { readonly a: Arm; readonly b: Arm }
  readonly #reasons: string[] = []
  readonly #shortfalls: string[] = []
  readonly #done: Done[] = []

  constructor(
    components: CompareComponents,
    options: { readonly compare: CompareOptions; readonly arms: { readonly a: Arm; readonly b: Arm } }
  ) {
    this.#components = components
    this.#options = options.compare
    this.#arms = options.arms
  }

  /** Runs all of it, or until the signal aborts. */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<CompareReport> {
    const { now, wallNow } = this.#components
    const startedAt = new Date(wallNow()).toISOString()
    const from = now()
    const order = orderOf(this.#options.rounds, this.#options.mixed)
    for (const [at, which] of order.entries()) {
      if (signal.aborted) break
      await this.#one(which, { at, of: order.length, signal })
    }
    const profiles = await this.#profile(signal)
    if (signal.aborted) this.#reasons.push(`interrupted: ${this.#done.length} of ${order.length} runs were completed`)
    return this.#report({ startedAt, order, profiles, wallSeconds: (now() - from) / 1000 })
  }

  /** The localnet of one run. */
  localnetOf(which: Which): LocalnetOptions {
    const { localnet, history } = this.#options
    const settingsOf = (arm: Arm): Readonly<Record<string, string>> => ({
      ...(history > 0 && arm.routing === 'dht' ? reprovideSettings(arm.settings) : {}),
      ...arm.settings
    })
    const own = this.#arms[which === 'b' ? 'b' : 'a']
    const { routing, policy, security, profile } = own
    const options = { ...localnet, routing, policy, security, profile, settings: settingsOf(own) }
    if (which !== 'ab') return options
    const { b } = this.#arms
    const access = Math.floor(localnet.access / 2)
    return { ...options, mixed: { access, routing: b.routing, policy: b.policy, settings: settingsOf(b) } }
  }

  async #one(
    which: Which,
    run: { readonly at: number; readonly of: number; readonly signal: AbortSignal }
  ): Promise<void> {
    const { note } = this.#components
    const name = which === 'ab' ? `${this.#arms.a.name} and ${this.#arms.b.name}` : this.#arms[which].name
    const title = `run ${run.at + 1} of ${run.of} (${name})`
    note(title)
    try {
      const report = await this.#components.run(this.localnetOf(which), { signal: run.signal })
      if (run.signal.aborted) return
      this.#done.push({ which, round: this.#options.mixed ? run.at : run.at >> 1, report })
      const list = report.measured ? this.#shortfalls : this.#reasons
      for (const reason of report.reasons) list.push(`${title}: ${reason}`)
    } catch (error) {
      if (run.signal.aborted) return
      this.#reasons.push(`${title}: ${messageOf(error)}`)
    }
  }

  /** One more run of each arm, which counts for nothing else: a profiler costs what it measures. */
  async #profile(signal: AbortSignal): Promise<CompareReport['profiles']> {
    const { out, profiles } = this.#options
    if (!profiles || out === undefined) return null
    const { note, run, profilesOf } = this.#components
    const found: { a?: ArmProfile; b?: ArmProfile } = {}
    for (const arm of ['a', 'b'] as const) {
      if (signal.aborted) return null
      const title = `profiles of ${this.#arms[arm].name}`
      note(title)
      const dir = join(out, 'profiles', arm)
      try {
        await run({ ...this.localnetOf(arm), profiled: { node: PROFILED, dir } }, { signal })
        found[arm] = await profilesOf(dir)
      } catch (error) {
        this.#reasons.push(`${title}: ${messageOf(error)}`)
      }
    }
    const { a, b } = found
    return a === undefined || b === undefined ? null : { a, b }
  }

  #rounds(): Round[] {
    const sound = this.#done.filter(({ report }) => report.measured)
    return Array.from({ length: this.#options.rounds }, (_, round) => round).flatMap((round) => {
      const of = (arm: 'a' | 'b'): Side | undefined => {
        const done = sound.find((one) => one.round === round && (one.which === arm || one.which === 'ab'))
        return done === undefined ? undefined : sideOf(done.report, done.which === 'ab' ? arm : undefined)
      }
      const [a, b] = [of('a'), of('b')]
      return a === undefined || b === undefined ? [] : [{ a, b }]
    })
  }

  #report(run: {
    readonly startedAt: string
    readonly order: readonly Which[]
    readonly profiles: CompareReport['profiles']
    readonly wallSeconds: number
  }): CompareReport {
    const { localnet, mixed, history, rounds: wanted } = this.#options
    const rounds = this.#rounds()
    const effects: Effect[] = effectsOf(rounds, { seed: localnet.seed, mixed })
    if (rounds.length === 0) this.#reasons.push('no pair of runs was completed')
    const runsOf = (arm: 'a' | 'b'): LocalnetReport[] =>
      this.#done.filter(({ which }) => which === arm || which === 'ab').map(({ report }) => report)
    const { a, b } = this.#arms
    return {
      schema: 'sealsync.compare/1',
      ok: this.#reasons.length === 0,
      reasons: this.#reasons,
      shortfalls: this.#shortfalls,
      seed: localnet.seed,
      ...this.#components.build,
      startedAt: run.startedAt,
      machine: this.#done[0]?.report.machine ?? null,
      workload: {
        source: localnet.source,
        execution: localnet.execution,
        access: localnet.access,
        rate: localnet.rate,
        blobSize: localnet.blobSize ?? null,
        blobsPerBlock: localnet.blobsPerBlock ?? null,
        delayMs: localnet.delayMs,
        forMs: localnet.forMs ?? null,
        blocks: localnet.blocks ?? null,
        mixed,
        history,
        reprovide: reprovideNote([this.localnetOf('a'), this.localnetOf('b')], this.#done)
      },
      rounds: wanted,
      order: run.order,
      arms: { a: { options: a, runs: runsOf('a') }, b: { options: b, runs: runsOf('b') } },
      effects,
      verdict: verdictOf({ a: a.name, b: b.name }, effects),
      profiles: run.profiles,
      wallSeconds: run.wallSeconds
    }
  }
}

function sideOf(report: LocalnetReport, arm: 'a' | 'b' | undefined): Side {
  const access = report.nodes.filter(({ role }) => role === 'access')
  return { report, nodes: arm === undefined ? access : access.filter((node) => node.arm === arm) }
}
