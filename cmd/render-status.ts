import { formatDuration, formatSize } from '#src/util/index.ts'

type Json = Readonly<Record<string, unknown>>

const part = (from: Json, key: string): Json => (from[key] ?? {}) as Json
const number = (from: Json, key: string): number => Number(from[key] ?? 0)
const shown = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '–'
const percent = (value: unknown): string => `${(Number(value ?? 0) * 100).toFixed(2)} %`

/** The status report for people: what is known, a line each. */
export function renderStatus(status: Json): string {
  const heights = part(status, 'heights')
  const blobs = part(status, 'blobs')
  const rows: [string, string][] = [
    [
      'node',
      `${shown(status['role'])} ${shown(status['peerId'])}, version ${shown(status['version'])} (${shown(status['revision'])})`
    ],
    [
      'heights',
      `consecutive ${shown(heights['consecutive'])}, feed ${shown(heights['feed'])}, highest ${shown(heights['highest'])}, lowest ${shown(heights['lowest'])}`
    ],
    ['blobs', `${shown(blobs['count'])}, ${formatSize(number(blobs, 'bytes'))}`],
    ...(status['running'] === false ? stopped() : running(status))
  ]
  return `${rows.map(([name, text]) => `${name.padEnd(10)} ${text}`).join('\n')}\n`
}

function stopped(): [string, string][] {
  return [['state', 'not running']]
}

function running(status: Json): [string, string][] {
  const payload = part(status, 'payloadBytes')
  const streams = part(status, 'streams')
  const memory = part(status, 'memory')
  const stall = status['stall'] as Json | null
  const peers = (status['peers'] ?? []) as readonly Json[]
  return [
    [
      'state',
      `up ${formatDuration(number(status, 'uptimeSeconds') * 1000)}, routing ${shown(status['routing'])}, policy ${shown(status['policy'])}, variant ${shown(status['variant'])}`
    ],
    [
      'received',
      `${formatSize(number(payload, 'useful'))} useful, ${formatSize(number(payload, 'duplicate'))} duplicate, ${formatSize(number(payload, 'partial'))} partial: duplicate ratio ${percent(status['duplicateRatio'])}`
    ],
    ['sent', formatSize(number(payload, 'sent'))],
    ['peers', `${shown(status['connections'])} of ${peers.length} connected`],
    [
      'streams',
      `${shown(streams['open'])} open, ${shown(streams['opened'])} opened, ${shown(streams['refused'])} refused`
    ],
    [
      'memory',
      `${formatSize(number(memory, 'rssBytes'))} resident (${formatSize(number(memory, 'anonBytes'))} anonymous), budget ${formatSize(number(memory, 'budgetBytes'))}`
    ],
    ['pruner', describePruner(part(status, 'pruner'))],
    ['stall', stall === null || stall === undefined ? 'none' : describeStall(stall)]
  ]
}

function describePruner(pruner: Json): string {
  const freed = part(pruner, 'freed')
  const rate = part(pruner, 'perSecond')
  return `${shown(pruner['state'])}, pruned to ${shown(pruner['prunedTo'])}, ${shown(pruner['backlogHeights'])} heights to go, ${formatSize(number(freed, 'bytes'))} deleted, ${formatSize(Math.round(number(rate, 'bytes')))}/s`
}

function describeStall(stall: Json): string {
  const next =
    stall['nextTryMs'] === null || stall['nextTryMs'] === undefined
      ? ''
      : `, next try in ${formatDuration(number(stall, 'nextTryMs'))}`
  const remedy = stall['remedy'] === undefined ? '' : `; ${shown(stall['remedy'])}`
  return `at height ${shown(stall['height'])}: ${shown(stall['reason'])}, blob ${shown(stall['cid'])}, ${shown(stall['askedPeers'])} peers asked${next}${remedy}`
}
