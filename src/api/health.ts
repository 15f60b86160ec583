import type { BlobCid, Height } from '../model/index.ts'
import { formatDuration } from '../util/index.ts'
import type { HealthOptions } from './options.ts'

/** One line of `/readyz`. */
export interface Check {
  /** From {@link HEALTH_CHECKS}, or another closed set: it is a metric's label. */
  readonly name: string
  readonly ok: boolean
  /** What is so when `ok`; otherwise what is wrong and what to do. */
  readonly reason: string
}

/** The checks of {@link healthChecks}, in their order. */
export const HEALTH_CHECKS = [
  'stopping',
  'winding-down',
  'database',
  'disk',
  'identity',
  'peers',
  'halted',
  'stall',
  'lag'
] as const
export type HealthCheckName = (typeof HEALTH_CHECKS)[number]

export interface HealthInputs {
  readonly databaseOpen: boolean
  readonly peersConnected: number
  /** Staked peers that this node should be connected to. */
  readonly peersExpected: number
  /** Blocks between the feed's highest height and the consecutive one; `undefined` while the feed has given nothing. */
  readonly lag: number | undefined
  /** What keeps the consecutive height from moving, when something does. */
  readonly stall:
    | {
        readonly height: Height
        /** The missing blob; `null` when none is known, because the height itself is not to be had. */
        readonly cid: BlobCid | string | null
        /** What to do about it. */
        readonly remedy?: string
        readonly askedPeers: number
        readonly lastAnswerMsAgo?: number | undefined
        readonly nextTryMs?: number | undefined
      }
    | undefined
  /** Set when the node found something it must not go past. */
  readonly halted: { readonly height: Height; readonly reason: string } | undefined
  readonly stopping: boolean
  /** Why the node is on its way out, when it is. */
  readonly windingDown: string | undefined
  /** False when the identity table no longer has this node, or has it as ejected. */
  readonly admitted: boolean
  /** False when the data directory's disk is too full to go on fetching. */
  readonly diskOk: boolean
}

export interface Health {
  readonly ready: boolean
  readonly checks: readonly Check[]
  /** The reasons of the checks that fail, on one line; empty when ready. */
  readonly failing: string
}

function peersCheck(inputs: HealthInputs, options: HealthOptions): Omit<Check, 'name'> {
  const { peersConnected, peersExpected } = inputs
  const needed = Math.min(options.minPeers, peersExpected)
  const counts = `${peersConnected} of ${peersExpected} staked peers connected`
  if (peersConnected >= needed) return { ok: true, reason: counts }
  const advice =
    'check that they run, that their addresses in the identity table are right and can be reached from here'
  return { ok: false, reason: `${counts}, ${needed} needed: ${advice}` }
}

function stallCheck({ stall }: HealthInputs): Omit<Check, 'name'> {
  if (stall === undefined) return { ok: true, reason: 'nothing is stalled' }
  if (stall.cid === null)
    return { ok: false, reason: `stalled at height ${stall.height}: ${stall.remedy ?? 'nobody offers it'}` }
  const asked =
    stall.askedPeers === 0
      ? 'no peer could be asked: check the connections to execution nodes'
      : `asked ${stall.askedPeers} peers, ${
          stall.lastAnswerMsAgo === undefined
            ? 'none answered'
            : `last answer ${formatDuration(stall.lastAnswerMsAgo)} ago`
        }`
  const next = stall.nextTryMs === undefined ? '' : `, next try in ${formatDuration(stall.nextTryMs)}`
  return {
    ok: false,
    reason: `stalled at height ${stall.height}: missing blob ${stall.cid.toString()}, ${asked}${next}`
  }
}

function lagCheck({ lag }: HealthInputs, { maxLag }: HealthOptions): Omit<Check, 'name'> {
  if (lag === undefined) {
    return { ok: false, reason: 'no sealed block heard of yet: check the feed and that an execution node is connected' }
  }
  if (lag <= maxLag) return { ok: true, reason: `${lag} blocks behind the feed, ${maxLag} allowed` }
  return {
    ok: false,
    reason: `${lag} blocks behind the feed, ${maxLag} allowed: still syncing; see heights in the status`
  }
}

function resultOf(name: HealthCheckName, inputs: HealthInputs, options: HealthOptions): Omit<Check, 'name'> {
  switch (name) {
    case 'stopping':
      return inputs.stopping
        ? { ok: false, reason: 'the node is stopping' }
        : { ok: true, reason: 'the node is running' }
    case 'winding-down':
      return inputs.windingDown === undefined
        ? { ok: true, reason: 'the node is here to stay' }
        : { ok: false, reason: inputs.windingDown }
    case 'database':
      return inputs.databaseOpen
        ? { ok: true, reason: 'the database is open' }
        : { ok: false, reason: 'the database is not open: see the log for its error' }
    case 'disk':
      return inputs.diskOk
        ? { ok: true, reason: 'there is room on the disk' }
        : { ok: false, reason: "the data directory's disk is too full to fetch more: free some space" }
    case 'identity':
      return inputs.admitted
        ? { ok: true, reason: 'the identity table has this node' }
        : {
            ok: false,
            reason: 'the identity table does not have this node, or has it as ejected: no peer will talk to it'
          }
    case 'peers':
      return peersCheck(inputs, options)
    case 'halted':
      return inputs.halted === undefined
        ? { ok: true, reason: 'not halted' }
        : { ok: false, reason: `halted at height ${inputs.halted.height}: ${inputs.halted.reason}` }
    case 'stall':
      return stallCheck(inputs)
    case 'lag':
      return lagCheck(inputs, options)
  }
}

/** Turns what the node knows of itself into checks with reasons that a human can act on. Pure. */
export function healthChecks(inputs: HealthInputs, options: HealthOptions): Check[] {
  return HEALTH_CHECKS.map((name) => ({ name, ...resultOf(name, inputs, options) }))
}

/** Sums checks up. No checks at all is not ready: nothing has vouched for the node. */
export function assessHealth(checks: readonly Check[]): Health {
  const failing = checks.filter((check) => !check.ok)
  return {
    ready: checks.length > 0 && failing.length === 0,
    checks,
    failing: failing.map((check) => `${check.name}: ${check.reason}`).join('; ')
  }
}
