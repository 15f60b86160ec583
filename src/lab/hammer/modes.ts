import type { Mode } from './mode.ts'
import type { HammerMode } from './options.ts'
import { calls } from './calls-mode.ts'
import { decode } from './decode-mode.ts'
import { fanout } from './fanout-mode.ts'
import { growth } from './growth-mode.ts'
import { hybrid } from './hybrid-mode.ts'
import { junk } from './junk-mode.ts'
import { probe } from './probe-mode.ts'
import { read } from './read-mode.ts'
import { soak } from './soak-mode.ts'
import { write } from './write-mode.ts'

/** Every mode by its name. */
export const MODES: Readonly<Record<HammerMode, Mode>> = Object.freeze({
  ...{ read, write, fanout, calls, hybrid },
  ...{ decode, probe, growth, junk, soak }
})
