import { formatDuration, formatSize } from '../../util/index.ts'

/** One row of the table. Rates are over the last second. */
export interface NodeRow {
  readonly name: string
  readonly state: 'starting' | 'up' | 'silent' | 'down'
  readonly height: number | undefined
  readonly lag: number | undefined
  readonly blobsPerSecond: number
  readonly bytesPerSecond: number
  readonly duplicateRatio: number
  readonly streams: number
  readonly connections: number
  readonly rssBytes: number
  readonly metrics: string | undefined
}

/** All that a person sees of a running localnet. */
export interface NetworkView {
  readonly phase: string
  readonly elapsedMs: number
  readonly blocks: number
  /** `undefined` when the workload has no end. */
  readonly blocksTotal: number | undefined
  readonly height: number | undefined
  readonly rows: readonly NodeRow[]
}

const COLOUR = {
  bold: '\u001b[1m',
  dim: '\u001b[2m',
  green: '\u001b[32m',
  yellow: '\u001b[33m',
  red: '\u001b[31m'
} as const
const RESET = '\u001b[0m'
type Paint = (colour: keyof typeof COLOUR, text: string) => string

interface Column {
  readonly title: string
  readonly left?: boolean
  readonly cell: (row: NodeRow) => string
}

const orDash = (value: number | undefined): string => (value === undefined ? '-' : String(value))
const percent = (ratio: number): string => `${(ratio * 100).toFixed(2)}%`

const COLUMNS: readonly Column[] = [
  { title: 'node', left: true, cell: (row) => row.name },
  { title: 'height', cell: (row) => orDash(row.height) },
  { title: 'lag', cell: (row) => orDash(row.lag) },
  { title: 'blobs/s', cell: (row) => row.blobsPerSecond.toFixed(1) },
  { title: 'MB/s', cell: (row) => (row.bytesPerSecond / 1e6).toFixed(2) },
  { title: 'dup', cell: (row) => percent(row.duplicateRatio) },
  { title: 'streams', cell: (row) => String(row.streams) },
  { title: 'peers', cell: (row) => String(row.connections) },
  { title: 'memory', cell: (row) => (row.rssBytes > 0 ? formatSize(row.rssBytes) : '-') },
  {
    title: 'metrics',
    left: true,
    cell: (row) => (row.metrics === undefined ? row.state : `http://${row.metrics}/metrics`)
  }
]

const STATE_COLOUR = { starting: 'dim', up: 'green', silent: 'yellow', down: 'red' } as const

function progressOf(view: NetworkView): string {
  const blocks = view.blocksTotal === undefined ? String(view.blocks) : `${view.blocks}/${view.blocksTotal}`
  return `block ${blocks}  height ${orDash(view.height)}`
}

/** The table as lines of at most `columns` characters. */
export function renderTable(
  view: NetworkView,
  options: { readonly columns: number; readonly colour: boolean }
): string[] {
  const paint: Paint = (colour, text) => (options.colour ? `${COLOUR[colour]}${text}${RESET}` : text)
  const cells = view.rows.map((row) => COLUMNS.map((column) => column.cell(row)))
  const widths = COLUMNS.map((column, at) => Math.max(column.title.length, ...cells.map((row) => row[at]?.length ?? 0)))
  const line = (texts: readonly string[]): string =>
    COLUMNS.map(({ left }, at) =>
      left ? (texts[at] ?? '').padEnd(widths[at] ?? 0) : (texts[at] ?? '').padStart(widths[at] ?? 0)
    )
      .join('  ')
      .trimEnd()
      .slice(0, options.columns)
  const head = `sealsync localnet  ${view.phase}  ${progressOf(view)}  ${formatDuration(view.elapsedMs)}`
  return [
    paint('bold', head.slice(0, options.columns)),
    paint('dim', line(COLUMNS.map(({ title }) => title))),
    ...view.rows.map((row, at) => {
      const text = line(cells[at] ?? [])
      return paint(STATE_COLOUR[row.state], text.slice(0, row.name.length)) + text.slice(row.name.length)
    })
  ]
}

/** The same in one line, for a log. */
export function progressLine(view: NetworkView): string {
  const access = view.rows.filter(({ name }) => name.startsWith('access'))
  const heights = access.map(({ height }) => height ?? 0)
  const span = (values: readonly number[], show: (value: number) => string): string => {
    const [low, high] = [show(Math.min(...values)), show(Math.max(...values))]
    return low === high ? low : `${low}..${high}`
  }
  if (access.length === 0) return `${view.phase}  ${progressOf(view)}`
  const sum = (of: (row: NodeRow) => number): number => access.reduce((total, row) => total + of(row), 0)
  const duplicates = Math.max(...access.map((row) => row.duplicateRatio))
  return [
    `${view.phase}  ${progressOf(view)}`,
    `access at ${span(heights, (height) => (height === 0 ? '-' : String(height)))}`,
    `${sum((row) => row.blobsPerSecond).toFixed(1)} blobs/s`,
    `${(sum((row) => row.bytesPerSecond) / 1e6).toFixed(2)} MB/s`,
    `dup ${percent(duplicates)}`,
    `streams ${span(
      access.map((row) => row.streams),
      String
    )}`,
    `rss ${span(
      access.map((row) => row.rssBytes),
      formatSize
    )}`
  ].join('  ')
}
