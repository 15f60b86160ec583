// Texts of the node that operators meet, as the code that makes them writes them.
import { HEALTH_CHECKS, type HealthInputs, healthChecks } from '#src/api/health.ts'
import { defaultApiOptions } from '#src/api/options.ts'
import { BlobCid, type ExecutionDataId, parseBlockId, parseExecutionDataId } from '#src/model/index.ts'
import type { HeightState } from '#src/requester/height-state.ts'
import { type ProgressSnapshot, progressLine } from '#src/requester/progress-line.ts'
import { describeStall, type StallFacts } from '#src/requester/stall.ts'
import type { Stall, StallReason } from '#src/requester/status.ts'
import { code, table } from './markdown.ts'

const MIB = 1024 ** 2
const ID = parseExecutionDataId('5a'.repeat(32)) as ExecutionDataId
const HEIGHT = 1_204_332

const FINE: HealthInputs = {
  databaseOpen: true,
  peersConnected: 18,
  peersExpected: 20,
  lag: 1,
  stall: undefined,
  halted: undefined,
  stopping: false,
  windingDown: undefined,
  admitted: true,
  diskOk: true
}

/** What makes each check fail. */
const FAILING: Readonly<Record<(typeof HEALTH_CHECKS)[number], Partial<HealthInputs>>> = {
  stopping: { stopping: true },
  'winding-down': { windingDown: 'winding down: shedding what is held' },
  database: { databaseOpen: false },
  disk: { diskOk: false },
  identity: { admitted: false },
  peers: { peersConnected: 0 },
  halted: { halted: { height: HEIGHT, reason: 'not well-formed CBOR' } },
  stall: {
    stall: {
      height: HEIGHT,
      cid: BlobCid.fromExecutionDataId(ID),
      askedPeers: 6,
      lastAnswerMsAgo: 31_000,
      nextTryMs: 5_000
    }
  },
  lag: { lag: 5_551 }
}

/** Each readiness check, what it says when it holds, and when it does not. */
export function checkTable(): string {
  const reason = (name: string, inputs: HealthInputs): string =>
    healthChecks(inputs, defaultApiOptions.health).find((check) => check.name === name)?.reason ?? ''
  const rows = HEALTH_CHECKS.map((name) => [
    code(name),
    reason(name, FINE),
    reason(name, { ...FINE, ...FAILING[name] })
  ])
  return table(['check', 'when it holds', 'when it does not'], rows)
}

const BLOCK = { height: HEIGHT, blockId: parseBlockId('b1'.repeat(32)), executionDataId: ID } as HeightState['block']

const FACTS: StallFacts = {
  height: HEIGHT,
  now: 60_000,
  sinceMs: 45_000,
  state: { kind: 'waiting', block: BLOCK, attempt: 2, dueAt: 64_000, hot: false, gone: false },
  unobtainable: undefined,
  lowestOffered: HEIGHT - 900,
  missing: [BlobCid.fromExecutionDataId(ID)],
  wantState: () => ({ askedPeers: 6, lastAnswerMsAgo: 31_000, nextTryMs: 4_000 })
}

/** One stall of each reason, as the requester describes it. */
const STALLS: Readonly<Record<StallReason, Partial<StallFacts>>> = {
  missing: {},
  'not-announced': { state: undefined, missing: [] },
  unobtainable: { state: undefined, missing: [], unobtainable: { from: HEIGHT, to: HEIGHT + 667 } },
  malformed: {
    state: { kind: 'halted', block: BLOCK, message: 'not well-formed CBOR', sinceMs: 0, confirmed: false }
  }
}

function stalls(): Stall[] {
  return (Object.entries(STALLS) as [StallReason, Partial<StallFacts>][]).map(([reason, change]) => {
    const stall = describeStall({ ...FACTS, ...change })
    if (stall.reason !== reason) throw new Error(`a stall meant to be '${reason}' is '${stall.reason}'`)
    return stall
  })
}

const MEANING: Readonly<Record<StallReason, string>> = {
  missing: 'Blobs of the height are asked for and do not come.',
  'not-announced': 'Nobody has said yet which block the height is.',
  unobtainable: 'Every connected execution node begins above the height.',
  malformed: 'The data is what its id names, and is not valid.'
}

/** Reason → meaning and the remedy that log and status give. */
export function stallTable(): string {
  const rows = stalls().map(({ reason, remedy }) => [code(reason), MEANING[reason], remedy])
  return table(['reason', 'meaning', 'remedy in log and status'], rows)
}

const SNAPSHOT: ProgressSnapshot = {
  feed: 1_209_882,
  consecutive: HEIGHT - 1,
  stall: null,
  blocksPerSecond: 12.4,
  peers: { connected: 18, known: 20 },
  duplicateRatio: 0.018,
  rssBytes: 214 * MIB
}

/** One progress line of each kind. */
export function progressLines(): string {
  const lines = [
    progressLine({ ...SNAPSHOT, feed: undefined, consecutive: undefined, blocksPerSecond: undefined }),
    progressLine(SNAPSHOT),
    progressLine({ ...SNAPSHOT, consecutive: 1_209_881, blocksPerSecond: 1.2 }),
    ...stalls().map((stall) => progressLine({ ...SNAPSHOT, stall }))
  ]
  return `\`\`\`\n${lines.join('\n')}\n\`\`\``
}
