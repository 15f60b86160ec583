import type { Height } from '../model/index.ts'
import type { Stall } from './status.ts'

/** What one progress line tells. */
export interface ProgressSnapshot {
  readonly feed: Height | undefined
  readonly consecutive: Height | undefined
  readonly stall: Stall | null
  readonly blocksPerSecond: number | undefined
  readonly peers: { readonly connected: number; readonly known: number }
  readonly duplicateRatio: number
  readonly rssBytes: number
  /** What the node may take, when it is told. */
  readonly memoryLimitBytes?: number | undefined
}

/** Heights behind the feed up to which a node that keeps up is: a block in the making and one on its way. */
const SYNCED_LAG = 3
const MIB = 1024 * 1024

/**
 * `syncing height 1,204,331/1,209,882 (99.5%) 12.4 blk/s eta 7m peers 18/20 dup 1.8% rss 214/360MiB`,
 * `synced lag 1 blk height 1,209,881 …`, or `stalled at 1,204,332: missing blob Qm… asked 6 peers, last answer 31s ago …`.
 */
export function progressLine(snapshot: ProgressSnapshot): string {
  const { feed, consecutive, stall } = snapshot
  if (stall !== null) return `stalled at ${grouped(stall.height)}: ${stallText(stall)} ${resources(snapshot)}`
  if (feed === undefined) return `waiting for sealed blocks ${resources(snapshot)}`
  if (consecutive === undefined) return `syncing the first height, feed at ${grouped(feed)} ${resources(snapshot)}`
  const lag = Math.max(0, feed - consecutive)
  if (lag <= SYNCED_LAG) {
    return `synced lag ${lag} blk height ${grouped(consecutive)} ${rate(snapshot)}${resources(snapshot)}`
  }
  // Never 100 % while something is missing.
  const share = feed === 0 ? 0 : Math.min(99.9, Math.floor((consecutive / feed) * 1000) / 10)
  const eta = etaText(lag, snapshot.blocksPerSecond)
  return `syncing height ${grouped(consecutive)}/${grouped(feed)} (${share.toFixed(1)}%) ${rate(snapshot)}eta ${eta} ${resources(snapshot)}`
}

function stallText(stall: Stall): string {
  if (stall.reason === 'malformed') return `malformed execution data; ${stall.remedy};`
  if (stall.reason === 'unobtainable' || stall.reason === 'not-announced') return `${stall.remedy};`
  const answer = stall.lastAnswerMsAgo === null ? 'no answer yet' : `last answer ${duration(stall.lastAnswerMsAgo)} ago`
  const next = stall.nextTryMs === null ? '' : `, next try in ${duration(stall.nextTryMs)}`
  const peers = `${stall.askedPeers} ${stall.askedPeers === 1 ? 'peer' : 'peers'}`
  return `missing blob ${stall.cid ?? '?'} asked ${peers}, ${answer}${next};`
}

function resources({ peers, duplicateRatio, rssBytes, memoryLimitBytes }: ProgressSnapshot): string {
  const limit = memoryLimitBytes === undefined ? '' : `/${Math.round(memoryLimitBytes / MIB)}`
  const duplicates = `${(duplicateRatio * 100).toFixed(1)}%`
  return `peers ${peers.connected}/${peers.known} dup ${duplicates} rss ${Math.round(rssBytes / MIB)}${limit}MiB`
}

const rate = ({ blocksPerSecond }: ProgressSnapshot): string =>
  blocksPerSecond === undefined ? '' : `${blocksPerSecond.toFixed(1)} blk/s `

function etaText(lag: number, blocksPerSecond: number | undefined): string {
  return blocksPerSecond === undefined || blocksPerSecond <= 0 ? '?' : duration((lag / blocksPerSecond) * 1000)
}

/** One unit: `0s`, `31s`, `7m`, `5h`, `12d`. */
function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.round(seconds / 60)}m`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)}h`
  return `${Math.round(seconds / 86_400)}d`
}

function grouped(height: number): string {
  return String(height).replace(/\B(?=(\d{3})+$)/g, ',')
}
