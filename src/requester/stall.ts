import type { WantState } from '../exchange/exchange.ts'
import { BlobCid, type Height } from '../model/index.ts'
import type { HeightState } from './height-state.ts'
import type { Stall, StallReason } from './status.ts'

/** What is known of the height that holds everything up. */
export interface StallFacts {
  readonly height: Height
  readonly now: number
  readonly sinceMs: number
  readonly state: HeightState | undefined
  readonly unobtainable: { readonly from: Height; readonly to: Height } | undefined
  readonly lowestOffered: Height | undefined
  readonly missing: readonly BlobCid[]
  readonly wantState: (cid: BlobCid) => WantState | undefined
}

/** Puts a stall into the words of the contract, with the reason and what the operator can do. */
export function describeStall(facts: StallFacts): Stall {
  const { state, height } = facts
  const reason = reasonOf(facts)
  const cid = missingCid(facts)
  const want = cid === undefined || reason === 'malformed' ? undefined : facts.wantState(cid)
  const ownTry = state?.kind === 'waiting' ? Math.max(0, Math.round(state.dueAt - facts.now)) : undefined
  return {
    height,
    cid: cid?.toString() ?? null,
    askedPeers: want?.askedPeers ?? 0,
    lastAnswerMsAgo: rounded(want?.lastAnswerMsAgo),
    nextTryMs: reason === 'malformed' ? null : (ownTry ?? rounded(want?.nextTryMs)),
    reason,
    remedy: remedyOf(reason, facts),
    sinceMs: Math.round(facts.sinceMs)
  }
}

/** What the downloader says; else the first of the hint that is being asked for; else the root. */
function missingCid({ missing, state, wantState }: StallFacts): BlobCid | undefined {
  const [first] = missing
  if (first !== undefined || state === undefined) return first
  const hinted = state.block.hint?.find((cid) => wantState(cid) !== undefined)
  return hinted ?? BlobCid.fromExecutionDataId(state.block.executionDataId)
}

function reasonOf({ state, height, unobtainable, lowestOffered }: StallFacts): StallReason {
  if (state === undefined) return unobtainable === undefined ? 'not-announced' : 'unobtainable'
  if (state.kind === 'halted') return 'malformed'
  if (state.kind === 'waiting' && state.gone) return 'unobtainable'
  const tried = state.kind !== 'held' && state.attempt > 0
  return tried && lowestOffered !== undefined && lowestOffered > height ? 'unobtainable' : 'missing'
}

function remedyOf(reason: StallReason, { height, unobtainable, state }: StallFacts): string {
  if (reason === 'malformed') {
    const sure = state?.kind === 'halted' && state.confirmed
    return sure
      ? 'the quorum agrees on data that is malformed: tell the operators of the execution nodes; a restart tries it again'
      : 'waits for the quorum of execution nodes to settle on another block for this height; a restart tries it again'
  }
  if (reason === 'unobtainable') {
    const to = unobtainable?.to ?? height
    const what = to > height ? `heights ${height} to ${to}` : `height ${height}`
    return `no peer offers ${what} any more: stop the node and import CAR files of them (sealsync import), or begin nearer to the head with an empty data directory (--start-height latest-N)`
  }
  if (reason === 'not-announced')
    return 'no execution node has announced this height: see whether they are connected (sealsync peers)'
  return 'no asked peer has delivered the blob: see whether execution nodes are connected and hold the height (sealsync peers)'
}

const rounded = (ms: number | undefined): number | null => (ms === undefined ? null : Math.round(ms))
