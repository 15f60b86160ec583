import type { HammerMode } from '../options.ts'
import { calls } from './calls.ts'
import { fanout } from './fanout.ts'
import { hybrid } from './hybrid.ts'
import type { Mode } from './mode.ts'
import { read } from './read.ts'
import { write } from './write.ts'

export const MODES = { read, write, fanout, calls, hybrid } as unknown as Readonly<Record<HammerMode, Mode>>
