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

type Finding = Omit<Check, 'name'>

const good = (reason: string): Finding => ({ ok: true, reason })
const bad = (reason: string): Finding => ({ ok: false, reason })

function peersCheck(inputs: HealthInputs, options: HealthOptions): Finding {
  const { peersConnected, peersExpected } = inputs
  const needed = Math.min(options.minPeers, peersExpected)
  const counts = `${peersConnected} of ${peersExpected} staked peers connected`
  if (peersConnected >= needed) return good(counts)
  const advice =
    'check that they run, that their addresses in the identity table are right and can be reached from here'
  return bad(`${counts}, ${needed} needed: ${advice}`)
}

function stallCheck({ stall }: HealthInputs): Finding {
  if (stall === undefined) return good('nothing is stalled')
  const { height, cid, remedy, nextTryMs } = stall
  if (cid === null) return bad(`stalled at height ${height}: ${remedy ?? 'nobody offers it'}`)
  const next = nextTryMs === undefined ? '' : `, next try in ${formatDuration(nextTryMs)}`
  return bad(`stalled at height ${height}: missing blob ${cid.toString()}, ${askedText(stall)}${next}`)
}

function askedText({ askedPeers, lastAnswerMsAgo }: NonNullable<HealthInputs['stall']>): string {
  if (askedPeers === 0) return 'no peer could be asked: check the connections to execution nodes'
  const answer = lastAnswerMsAgo === undefined ? 'none answered' : `last answer ${formatDuration(lastAnswerMsAgo)} ago`
  return `asked ${askedPeers} peers, ${answer}`
}

function lagCheck({ lag }: HealthInputs, { maxLag }: HealthOptions): Finding {
  if (lag === undefined)
    return bad('no sealed block heard of yet: check the feed and that an execution node is connected')
  const counts = `${lag} blocks behind the feed, ${maxLag} allowed`
  return lag <= maxLag ? good(counts) : bad(`${counts}: still syncing; see heights in the status`)
}

function resultOf(name: HealthCheckName, inputs: HealthInputs, options: HealthOptions): Finding {
  const { stopping, windingDown, databaseOpen, diskOk, admitted, halted } = inputs
  switch (name) {
    case 'stopping':
      return stopping ? bad('the node is stopping') : good('the node is running')
    case 'winding-down':
      return windingDown === undefined ? good('the node is here to stay') : bad(windingDown)
    case 'database':
      return databaseOpen ? good('the database is open') : bad('the database is not open: see the log for its error')
    case 'disk':
      return diskOk
        ? good('there is room on the disk')
        : bad("the data directory's disk is too full to fetch more: free some space")
    case 'identity':
      return admitted
        ? good('the identity table has this node')
        : bad('the identity table does not have this node, or has it as ejected: no peer will talk to it')
    case 'peers':
      return peersCheck(inputs, options)
    case 'halted':
      return halted === undefined ? good('not halted') : bad(`halted at height ${halted.height}: ${halted.reason}`)
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
