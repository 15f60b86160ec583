import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Progress } from '#src/lab/localnet/progress.ts'
import { type NetworkView, type NodeRow, progressLine, renderTable } from '#src/lab/localnet/table.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const row = (name: string, over: Partial<NodeRow> = {}): NodeRow => ({
  name,
  state: 'up',
  height: 1_000_033,
  lag: 1,
  blobsPerSecond: 12.34,
  bytesPerSecond: 4_560_000,
  duplicateRatio: 0.0012,
  streams: 8,
  connections: 4,
  rssBytes: 100 * 1024 * 1024,
  metrics: '127.0.0.1:40000',
  ...over
})

const view: NetworkView = {
  phase: 'syncing',
  elapsedMs: 12_300,
  blocks: 34,
  blocksTotal: 72,
  height: 1_000_034,
  rows: [
    row('execution-1'),
    row('access-1'),
    row('access-2', { state: 'starting', height: undefined, lag: undefined, metrics: undefined, rssBytes: 0 })
  ]
}

const ESCAPE = '\u001b'

describe('the table', () => {
  it('shows each node with its metrics address', () => {
    const lines = renderTable(view, { columns: 200, colour: false })
    assert.equal(lines.length, 5)
    assert.match(lines[0] ?? '', /syncing {2}block 34\/72 {2}height 1000034 {2}12.3s/)
    assert.match(
      lines[3] ?? '',
      /^access-1 +1000033 +1 +12.3 +4.56 +0.12% +8 +4 +100.0 MiB {2}http:\/\/127.0.0.1:40000\/metrics$/
    )
    assert.match(lines[4] ?? '', /^access-2 +- +- .* - {2}starting$/)
  })

  it('fits the terminal', () => {
    for (const columns of [20, 40, 80]) {
      const lines = renderTable(view, { columns, colour: false })
      assert.ok(
        lines.every((line) => line.length <= columns),
        `${columns} columns`
      )
    }
  })

  it('has colours only when they are wanted, and the same text', () => {
    const plain = renderTable(view, { columns: 200, colour: false }).join('\n')
    const coloured = renderTable(view, { columns: 200, colour: true }).join('\n')
    assert.ok(!plain.includes(ESCAPE))
    assert.ok(coloured.includes(ESCAPE))
    assert.equal(coloured.replace(new RegExp(`${ESCAPE}\\[\\d+m`, 'g'), ''), plain)
  })
})

describe('the progress line', () => {
  it('sums rates and spans heights of the access nodes', () => {
    const rows = [row('execution-1', { blobsPerSecond: 99 }), row('access-1'), row('access-2', { height: 1_000_030 })]
    const line = progressLine({ ...view, rows })
    assert.match(line, /block 34\/72 .* access at 1000030\.\.1000033 {2}24\.7 blobs\/s {2}9\.12 MB\/s {2}dup 0\.12%/)
  })

  it('can be had before there are nodes, and of a workload with no end', () => {
    assert.equal(
      progressLine({ ...view, rows: [], blocksTotal: undefined, height: undefined }),
      'syncing  block 34  height -'
    )
  })
})

describe('progress', () => {
  const capture = (over: object) => {
    const written: string[] = []
    return { written, stream: { write: (text: string) => written.push(text), ...over } }
  }

  it('is a line every 5 s where there is no terminal', async () => {
    const clock = new VirtualClock()
    const { written, stream } = capture({})
    const progress = new Progress({ clock, stream }, { colour: false })
    for (let second = 0; second <= 10; second += 1) {
      await clock.run(second * 1_000)
      progress.update(view)
    }
    progress.note('access-1 is killed')
    assert.equal(written.length, 4)
    assert.equal(written[3], 'localnet: access-1 is killed\n')
    assert.ok(!written.join('').includes(ESCAPE))
  })

  it('draws the table in its place on a terminal, notes above it', () => {
    const { written, stream } = capture({ isTTY: true, columns: 120, rows: 40 })
    const progress = new Progress({ clock: new VirtualClock(), stream }, { colour: false })
    progress.note('starting')
    progress.update(view)
    progress.update(view)
    progress.note('half way')
    assert.equal(written[0], 'localnet: starting\n')
    assert.ok(!(written[1] ?? '').includes(ESCAPE))
    assert.ok((written[2] ?? '').startsWith(`${ESCAPE}[5A${ESCAPE}[J`))
    assert.equal(written[3], `${ESCAPE}[5A${ESCAPE}[Jlocalnet: half way\n`)
    assert.match(written[4] ?? '', /^sealsync localnet/)
  })

  it('draws no more lines than the terminal has', () => {
    const { written, stream } = capture({ isTTY: true, columns: 120, rows: 6 })
    new Progress({ clock: new VirtualClock(), stream }, { colour: false }).update(view)
    assert.equal((written[0] ?? '').split('\n').length - 1, 4)
  })
})
