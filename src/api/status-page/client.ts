/**
 * What runs in the browser. The functions are written into the page as their own text, so each may use the others and nothing else of
 * this file; everything that a node says goes into the page as text, never as markup.
 */
import type uPlot from 'uplot'

/** The part of the status report (contract, §3) that the page shows; what an older or newer node leaves out is shown as a dash. */
interface Status {
  readonly version?: string
  readonly revision?: string
  readonly role?: string
  readonly profile?: string
  readonly variant?: string
  readonly peerId?: string
  readonly uptimeSeconds?: number
  readonly heights?: {
    readonly feed: number | null
    readonly consecutive: number | null
    readonly lowest: number | null
  }
  readonly blobs?: { readonly count: number; readonly bytes: number }
  readonly payloadBytes?: { readonly useful: number; readonly sent: number }
  readonly duplicateRatio?: number
  readonly streams?: { readonly open: number; readonly opened: number }
  readonly cpuSeconds?: number
  readonly eventLoopLagMs?: { readonly p99: number }
  readonly memory?: {
    readonly rssBytes: number
    readonly anonBytes: number
    readonly budgetBytes: number
    readonly accounts: Readonly<Record<string, number>>
    readonly caps?: Readonly<Record<string, number>>
  }
  readonly peers?: readonly {
    readonly peerId: string
    readonly role: string
    readonly connected: boolean
    readonly rttMs: number | null
  }[]
  readonly stall?: {
    readonly height: number
    readonly cid: string | null
    readonly askedPeers: number
    readonly lastAnswerMsAgo: number | null
    readonly nextTryMs: number | null
  } | null
}

interface Readiness {
  readonly ready: boolean
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly reason: string }[]
}

declare const window: Window & { uPlot: typeof uPlot }

/** Times of samples, seconds, and a list of values for each plot. */
interface History {
  readonly times: number[]
  readonly values: Record<string, (number | null)[]>
  last: { readonly at: number; readonly useful: number; readonly sent: number; readonly cpu: number } | undefined
}

function bytesText(bytes: number | undefined): string {
  if (bytes === undefined) return '–'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${units[unit]}`
}

function durationText(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(0)} s`
  if (seconds < 3_600) return `${(seconds / 60).toFixed(0)} min`
  return seconds < 172_800 ? `${(seconds / 3_600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} days`
}

function numberText(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : value.toLocaleString('en')
}

function put(id: string, text: string): void {
  const element = document.getElementById(id)
  if (element !== null && element.textContent !== text) element.textContent = text
}

/** A child element with a text and a class. */
function child(parent: Element, tag: string, options: { readonly text?: string; readonly name?: string }): HTMLElement {
  const element = document.createElement(tag)
  if (options.text !== undefined) element.textContent = options.text
  if (options.name !== undefined) element.className = options.name
  parent.append(element)
  return element
}

/** Blocks behind the feed; `null` while either end is unknown. */
function lagOf(heights: Status['heights']): number | null {
  const { feed = null, consecutive = null } = heights ?? {}
  return feed === null || consecutive === null ? null : Math.max(0, feed - consecutive)
}

function showTiles(status: Status): void {
  const { heights, memory, peers = [], streams, blobs } = status
  const lag = lagOf(heights)
  put('lag', numberText(lag))
  put('height', numberText(heights?.consecutive))
  put('feed', `of ${numberText(heights?.feed)} sealed`)
  put('peers', `${peers.filter(({ connected }) => connected).length} / ${peers.length}`)
  put('duplicate', status.duplicateRatio === undefined ? '–' : `${(status.duplicateRatio * 100).toFixed(2)} %`)
  put('streams', numberText(streams?.open))
  put('opened', `${numberText(streams?.opened)} opened`)
  put('memory', bytesText(memory?.rssBytes))
  put('budget', `${bytesText(memory?.anonBytes)} anonymous`)
  put('stored', bytesText(blobs?.bytes))
  put('blobs', `${numberText(blobs?.count)} blobs`)
}

function showNode(status: Status): void {
  const name = [status.role, status.variant, status.profile].filter((part) => part !== undefined).join(' · ')
  put('node', name)
  put('version', `${status.version ?? ''} (${status.revision ?? ''})`)
  put('peer', status.peerId ?? '')
  put('uptime', `up ${durationText(status.uptimeSeconds ?? 0)}`)
}

function showReadiness(readiness: Readiness | undefined): void {
  const badge = document.getElementById('ready')
  const list = document.getElementById('checks')
  if (badge === null || list === null) return
  badge.className = readiness === undefined ? 'unknown' : readiness.ready ? 'good' : 'bad'
  badge.textContent = readiness === undefined ? 'no answer' : readiness.ready ? 'ready' : 'not ready'
  list.replaceChildren()
  for (const { name, ok, reason } of readiness?.checks ?? []) if (!ok) child(list, 'li', { text: `${name}: ${reason}` })
}

function showStall(stall: Status['stall']): void {
  const section = document.getElementById('stall')
  if (section === null) return
  section.hidden = stall === null || stall === undefined
  if (stall === null || stall === undefined) return
  const ago =
    stall.lastAnswerMsAgo === null ? 'none answered' : `last answer ${durationText(stall.lastAnswerMsAgo / 1000)} ago`
  const next = stall.nextTryMs === null ? '' : `, next try in ${durationText(stall.nextTryMs / 1000)}`
  put('stall-height', `Stalled at ${numberText(stall.height)}`)
  put('stall-cid', stall.cid ?? 'nobody offers it')
  put('stall-asked', `asked ${stall.askedPeers} peers, ${ago}${next}`)
}

/** A bar for each account of the memory budget, against its own cap. */
function showAccounts(memory: Status['memory']): void {
  const list = document.getElementById('accounts')
  if (list === null || memory === undefined) return
  list.replaceChildren()
  for (const [name, bytes] of Object.entries(memory.accounts)) {
    const cap = memory.caps?.[name] ?? memory.budgetBytes
    const row = child(list, 'div', { name: 'account' })
    child(row, 'span', { text: name })
    const meter = document.createElement('progress')
    meter.max = Math.max(cap, 1)
    meter.value = bytes
    meter.ariaLabel = `${name}: ${bytesText(bytes)} of ${bytesText(cap)}`
    row.append(meter)
    child(row, 'span', { text: `${bytesText(bytes)} / ${bytesText(cap)}`, name: 'amount' })
  }
  put('accounts-total', `budget ${bytesText(memory.budgetBytes)} in all`)
}

/** Those that are not connected come first: they are what one looks for. */
function showPeers(peers: NonNullable<Status['peers']>): void {
  const body = document.getElementById('peer-rows')
  if (body === null) return
  const order = [...peers].sort(
    (a, b) =>
      Number(a.connected) - Number(b.connected) || a.role.localeCompare(b.role) || a.peerId.localeCompare(b.peerId)
  )
  const rows = order.map(({ peerId, role, connected, rttMs }) => {
    const row = document.createElement('tr')
    child(row, 'td', { text: connected ? 'connected' : 'away', name: connected ? 'good' : 'bad' })
    child(row, 'td', { text: role })
    child(row, 'td', { text: rttMs === null ? '–' : `${rttMs.toFixed(rttMs < 10 ? 1 : 0)} ms`, name: 'amount' })
    child(row, 'td', { text: peerId, name: 'id' })
    return row
  })
  body.replaceChildren(...rows)
}

/** The plots, by the key of their values. */
function plotList(): readonly { readonly key: string; readonly title: string; readonly bytes: boolean }[] {
  return [
    { key: 'lag', title: 'Blocks behind', bytes: false },
    { key: 'useful', title: 'Received, bytes a second', bytes: true },
    { key: 'sent', title: 'Sent, bytes a second', bytes: true },
    { key: 'duplicate', title: 'Duplicate ratio, %', bytes: false },
    { key: 'rss', title: 'Resident memory', bytes: true },
    { key: 'cpu', title: 'CPU, % of a core', bytes: false },
    { key: 'streams', title: 'Streams open', bytes: false },
    { key: 'loop', title: 'Event loop lag p99, ms', bytes: false }
  ]
}

/** Width inside of the padding, px. */
function innerWidthOf(box: Element | null): number {
  if (box === null) return 300
  const { paddingLeft, paddingRight } = getComputedStyle(box)
  return Math.max(100, Math.floor(box.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight)))
}

function makePlot(host: Element, plot: { readonly title: string; readonly bytes: boolean }): uPlot {
  const style = getComputedStyle(document.documentElement)
  const [ink, grid, line] = ['--ink', '--line', '--accent'].map((name) => style.getPropertyValue(name).trim())
  const figure = child(host, 'figure', {})
  child(figure, 'figcaption', { text: plot.title })
  const axis = {
    stroke: ink ?? '',
    grid: { stroke: grid ?? '', width: 1 },
    ticks: { show: false },
    font: '11px system-ui'
  }
  const short = (value: number): string => (plot.bytes ? bytesText(value) : value.toLocaleString('en'))
  const clock = (seconds: number): string => new Date(seconds * 1000).toLocaleTimeString('en-GB')
  const powers = Array.from({ length: 50 }, (_, power) => 2 ** power)
  return new window.uPlot(
    {
      width: innerWidthOf(figure),
      height: 130,
      legend: { show: false },
      cursor: { show: false },
      // At least a minute wide, so that the first samples do not stretch over years.
      scales: {
        x: { range: (_, from, to) => (to === null ? [0, 60] : [Math.min(from, to - 60), to]) },
        y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] }
      },
      axes: [
        { ...axis, size: 24, space: 90, values: (_, splits) => splits.map(clock) },
        {
          ...axis,
          size: 62,
          space: 34,
          values: (_, splits) => splits.map(short),
          ...(plot.bytes ? { incrs: powers } : {})
        }
      ],
      series: [{}, { stroke: line ?? '', width: 1.5, fill: `${line}22`, points: { show: false } }]
    },
    [[], []],
    figure
  )
}

/** Adds a sample; rates are over the time since the one before. */
function sample(history: History, status: Status, at: number): void {
  const { heights, payloadBytes, memory } = status
  const now = { at, useful: payloadBytes?.useful ?? 0, sent: payloadBytes?.sent ?? 0, cpu: status.cpuSeconds ?? 0 }
  const before = history.last
  const rate = (key: 'useful' | 'sent' | 'cpu'): number | null =>
    before === undefined || at <= before.at ? null : Math.max(0, (now[key] - before[key]) / (at - before.at))
  const cpu = rate('cpu')
  const values: Record<string, number | null> = {
    lag: lagOf(heights),
    useful: rate('useful'),
    sent: rate('sent'),
    duplicate: (status.duplicateRatio ?? 0) * 100,
    rss: memory?.rssBytes ?? null,
    cpu: cpu === null ? null : cpu * 100,
    streams: status.streams?.open ?? null,
    loop: status.eventLoopLagMs?.p99 ?? null
  }
  history.last = now
  history.times.push(at)
  for (const [key, value] of Object.entries(values)) (history.values[key] ??= []).push(value)
  // Ten minutes at a sample every 2 s; the page does not grow.
  const over = history.times.length - 300
  if (over <= 0) return
  history.times.splice(0, over)
  for (const list of Object.values(history.values)) list.splice(0, over)
}

async function ask(path: string): Promise<unknown> {
  const answer = await fetch(path, { cache: 'no-store' })
  return answer.json()
}

/** Asks the node every 2 s while somebody looks at the page. */
function statusPage(): void {
  const host = document.getElementById('plots')
  if (host === null) return
  const history: History = { times: [], values: {}, last: undefined }
  const plots = new Map(plotList().map((plot) => [plot.key, makePlot(host, plot)]))
  const draw = (): void => {
    for (const [key, plot] of plots) plot.setData([history.times, history.values[key] ?? []])
  }
  const refresh = async (): Promise<void> => {
    try {
      const status = (await ask('/v1/status')) as Status
      showNode(status)
      showTiles(status)
      showStall(status.stall)
      showAccounts(status.memory)
      showPeers(status.peers ?? [])
      sample(history, status, Date.now() / 1000)
      draw()
      showReadiness((await ask('/readyz')) as Readiness)
    } catch {
      showReadiness(undefined)
    }
  }
  const loop = (): void => {
    const next = document.hidden ? Promise.resolve() : refresh()
    void next.then(() => setTimeout(loop, 2_000))
  }
  addEventListener('resize', () => {
    for (const plot of plots.values()) plot.setSize({ width: innerWidthOf(plot.root.parentElement), height: 130 })
  })
  loop()
}

const PARTS = [
  bytesText,
  durationText,
  numberText,
  put,
  child,
  lagOf,
  showTiles,
  showNode,
  showReadiness,
  showStall,
  showAccounts,
  showPeers,
  plotList,
  innerWidthOf,
  makePlot,
  sample,
  ask,
  statusPage
]

/** The script of the page. */
export function clientScript(): string {
  return `'use strict'\n${PARTS.map(String).join('\n')}\n${statusPage.name}()\n`
}
