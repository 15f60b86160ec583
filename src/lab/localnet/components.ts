import type { Clock, Rng } from '../../util/index.ts'
import type { Ingest } from './feeder.ts'
import type { InitNode } from './prepare.ts'

/** What a lab run needs to make a network of real processes, and to say of what build it was. */
export interface NetworkComponents {
  readonly clock: Clock
  readonly rng: Rng
  readonly initNode: InitNode
  readonly ingest: Ingest
  /** The launcher script of `sealsync`. */
  readonly launcher: string
  readonly build: { readonly version: string; readonly revision: string }
}
