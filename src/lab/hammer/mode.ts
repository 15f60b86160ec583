import type { Height } from '../../model/index.ts'
import type { HammerOptions, LoadLevel } from './options.ts'
import type { Stage } from './stage.ts'

/** Blocks that were made before the run. */
export interface ModeHistory {
  /** A data directory with their blobs and indexes. */
  readonly history: string
  readonly firstHeight: Height
  /** Their lines of the block list, not yet given to anybody. */
  readonly lines: readonly string[]
  remove(): Promise<void>
}

/** What a mode needs of the network, and what it does. */
export interface Mode {
  /** Staked peers in the driver, and further ones behind a slow link. */
  readonly peers: (load: LoadLevel, options: HammerOptions) => { readonly peers: number; readonly slow: number }
  /** Blobs and indexes that the execution node begins with. */
  history?(
    options: HammerOptions,
    context: { readonly signal: AbortSignal; readonly note: (line: string) => void }
  ): Promise<ModeHistory>
  /** Before the target is left alone for its idle figures. */
  prepare?(stage: Stage): Promise<void>
  run(stage: Stage): Promise<void>
  /** Most blocks that the target may be behind while blocks come at a rate; without it lag is only told. */
  readonly lagLimit?: number
  /** Memory is expected back at its idle state after the load. */
  readonly recovers: boolean
}
