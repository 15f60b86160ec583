/** What a scenario may be told; each heeds those that mean something to it. Times in ms unless the name says otherwise. */
export interface ScenarioOptions {
  readonly seed: number
  readonly policy: 'assigned' | 'classic'
  /** `classic` with timeouts ten times as long, as celestia-node runs boxo. */
  readonly patient: boolean
  readonly nodes: number
  readonly producers: number
  /** Access nodes that hear and say nothing from `silentAt` of the run on. */
  readonly silent: number
  readonly silentAt: number
  /** Listed nodes that acknowledge every want and deliver nothing. */
  readonly liars: number
  /** Stalls of whole processes, per node and minute, and how long each lasts. */
  readonly stalls: number
  readonly stallMs: readonly [number, number]
  readonly delayMs: readonly [number, number]
  readonly uplinkMbit: number
  readonly seconds: number
  /** Blobs a second. */
  readonly rate: number
  readonly blobBytes: number
  /** Nodes that hold everything (`cold`). */
  readonly holders: number
  readonly blobs: number
  /** Virtual minutes of faults (`chaos`). */
  readonly minutes: number
}

export interface Goal {
  readonly name: string
  readonly value: number
  readonly goal: string
  readonly ok: boolean
}

/** One run. `figures` carry their units in their names. */
export interface SimReport {
  readonly schema: 'sealsync.sim/1'
  readonly scenario: string
  readonly ok: boolean
  readonly reasons: readonly string[]
  readonly seed: number
  readonly options: Readonly<Record<string, unknown>>
  readonly figures: Readonly<Record<string, number | Readonly<Record<string, number>>>>
  readonly goals: readonly Goal[]
  readonly rows?: readonly Row[]
  readonly wallSeconds: number
}

/** A row of the table; every row has the same columns. */
export type Row = Readonly<Record<string, string | number>>

export interface Scenario {
  readonly name: string
  readonly summary: string
  readonly defaults: Partial<ScenarioOptions>
  /** What differs from them under the policy `classic`. */
  readonly classicDefaults?: Partial<ScenarioOptions>
  run(options: ScenarioOptions, progress: (line: string) => void): Promise<Outcome>
}

export interface Outcome {
  readonly figures: SimReport['figures']
  readonly goals: readonly Goal[]
  /** What was to hold and did not, besides goals. */
  readonly broken: readonly string[]
  readonly rows?: readonly Row[]
}

export const defaultScenarioOptions: ScenarioOptions = {
  seed: 1,
  policy: 'assigned',
  patient: false,
  nodes: 50,
  producers: 2,
  silent: 0,
  silentAt: 0,
  liars: 0,
  stalls: 0,
  stallMs: [200, 800],
  delayMs: [3, 60],
  uplinkMbit: 1000,
  seconds: 40,
  rate: 3,
  blobBytes: 1_048_576,
  holders: 4,
  blobs: 400,
  minutes: 10
}

export const atMost = (name: string, value: number, most: number): Goal => ({
  name,
  value,
  goal: `≤ ${most}`,
  ok: value <= most
})

export const round = (value: number, digits = 2): number => Number(value.toFixed(digits))
