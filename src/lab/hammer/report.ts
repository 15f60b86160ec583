import type { HammerMode } from './options.ts'

/** One stage of a hammer run. Sizes in bytes, times in ms unless the name says otherwise. */
export interface PhaseReport {
  readonly name: string
  readonly seconds: number
  readonly requests: { readonly ok: number; readonly rejected: number; readonly failed: number }
  /** Clean refusals by what the target said. */
  readonly rejectedBy: Readonly<Record<string, number>>
  /** What was neither served nor refused, by what was seen. */
  readonly failedBy?: Readonly<Record<string, number>>
  readonly bytes: number
  /** Of what was served; `null` when nothing was. */
  readonly latencyMs: { readonly p50: number | null; readonly p99: number | null; readonly max: number | null }
  /** What a mode measures besides, by name. */
  readonly figures?: Readonly<Record<string, number | string | boolean | null>>
}

/** How the target stood it. `null`: it could not be seen from outside. */
export interface TargetReport {
  readonly profile: string
  readonly rssBytes: { readonly idle: number | null; readonly peak: number | null }
  readonly anonBytes: { readonly idle: number | null; readonly peak: number | null }
  readonly cpuSeconds: number | null
  /** Times it ended though nobody asked it to, and was started again. */
  readonly restarts: number
  /** As the kernel counts them; `null` without a cgroup. */
  readonly oomKills: number | null
  /** Blocks announced and not yet synced, the most at one time while blocks came at a rate; `null` when nobody knows what was made. */
  readonly syncLagMax: number | null
  /** Longest time in which blocks were waiting and none was synced. */
  readonly syncPauseMsMax: number | null
}

/** How resident memory came back after the load. */
export interface RecoveryReport {
  /** Until it was within 10 % of idle; `null` when it did not come back in time. */
  readonly seconds: number | null
  readonly rssBytes: number | null
  readonly idleRssBytes: number | null
}

/** The change of a figure with time, from the means of equal pieces of the run. */
export interface Slope {
  readonly name: string
  readonly unit: string
  readonly perHour: number
  readonly ci95: readonly [low: number, high: number]
  readonly samples: number
}

/** What `hammer --json` gives (schema `sealsync.hammer/1`). */
export interface HammerReport {
  readonly schema: 'sealsync.hammer/1'
  readonly ok: boolean
  readonly reasons: readonly string[]
  readonly mode: HammerMode
  readonly seed: number
  readonly level: string
  readonly version: string
  readonly revision: string
  readonly startedAt: string
  readonly machine: {
    readonly cpus: number
    readonly memoryBytes: number
    readonly node: string
    readonly platform: string
  }
  /** `null`: none was set. `cgroup` says of which kind the limit is. */
  readonly limits: { readonly memoryBytes: number | null; readonly cgroup: 'v1' | 'v2' | null }
  readonly load: { readonly connections: number; readonly rate: number; readonly sizeBytes: number }
  readonly wallSeconds: number
  readonly target: TargetReport
  readonly recovery: RecoveryReport | null
  readonly phases: readonly PhaseReport[]
  /** Of the mode `soak`. */
  readonly slopes?: readonly Slope[]
}
