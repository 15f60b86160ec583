import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { allocationRate, resourceFigures } from '#src/lab/localnet/resources.ts'
import { Scrape } from '#src/lab/localnet/scrape.ts'

const TEXT = `# HELP something of no interest
sealsync_p2p_wire_bytes_total{direction="inbound"} 100
sealsync_p2p_wire_bytes_total{direction="outbound"} 50
nodejs_gc_duration_seconds_sum{kind="minor"} 0.25
nodejs_gc_duration_seconds_sum{kind="major"} 0.5
nodejs_heap_size_used_bytes 1.5e+06
sealsync_p2p_streams_opened_total{protocol="/a \\"b\\"/1",direction="inbound"} 10
not a sample
broken{ 3
infinite +Inf
`

describe('a text of metrics', () => {
  it('is read by name and labels, and what is no sample is passed over', () => {
    const scrape = Scrape.parse(TEXT)
    assert.equal(scrape.sum('sealsync_p2p_wire_bytes_total'), 150)
    assert.equal(scrape.sum('sealsync_p2p_wire_bytes_total', { direction: 'inbound' }), 100)
    assert.equal(scrape.sum('sealsync_p2p_wire_bytes_total', { direction: 'up' }), undefined)
    assert.equal(scrape.sum('infinite'), Number.POSITIVE_INFINITY)
    assert.equal(scrape.sum('broken'), undefined)
    assert.equal(scrape.all('sealsync_p2p_streams_opened_total')[0]?.labels['protocol'], '/a \\"b\\"/1')
  })

  it('twice says what was used between', () => {
    const mesh = { atMs: 1_000, scrape: Scrape.parse(TEXT) }
    const later = TEXT.replace('inbound"} 100', 'inbound"} 1100').replace(
      'direction="inbound"} 10\n',
      'direction="inbound"} 50\n'
    )
    const caughtUp = { atMs: 21_000, scrape: Scrape.parse(later) }
    const figures = resourceFigures({ mesh, caughtUp }, 7)
    assert.deepEqual(figures?.wireBytes, { inbound: 1_000, outbound: 0 })
    assert.deepEqual([figures?.windowSeconds, figures?.gcSeconds, figures?.allocatedBytesPerSecond], [20, 0, 7])
    assert.deepEqual(figures?.streams, [
      { protocol: '/a \\"b\\"/1', direction: 'inbound', opened: 40, openedPerSecond: 2 }
    ])
    // What the first seconds had is no part of a steady state; a second of one says nothing.
    const at = (atMs: number) => ({ atMs, scrape: Scrape.parse(TEXT.replace('inbound"} 10\n', 'inbound"} 40\n')) })
    const steady = resourceFigures({ mesh, steady: at(6_000), caughtUp }, 7)?.streams[0]
    assert.deepEqual([steady?.opened, steady?.openedPerSecond], [40, 10 / 15])
    assert.equal(resourceFigures({ mesh, steady: at(20_500), caughtUp }, 7)?.streams[0]?.openedPerSecond, 2)
    assert.deepEqual(
      [figures?.dht, figures?.cpuSeconds, figures?.heapBytes],
      [null, null, { busy: 1_500_000, idle: null }]
    )
    assert.equal(resourceFigures({ mesh }, undefined), undefined)
  })

  it('of a node with a DHT says what that did', () => {
    const dht = (again: number, backlog: number): string =>
      [
        'sealsync_p2p_dht_provider_records 900',
        'sealsync_p2p_dht_own_records 100',
        `sealsync_p2p_dht_provides_total{kind="again"} ${again}`,
        `sealsync_p2p_dht_reprovide_backlog ${backlog}`,
        'sealsync_p2p_dht_reprovide_rounds_total{event="begun"} 1'
      ].join('\n')
    const mesh = { atMs: 0, scrape: Scrape.parse(dht(0, 0)) }
    const figures = resourceFigures(
      { mesh, caughtUp: { atMs: 10_000, scrape: Scrape.parse(dht(50, 19_950)) } },
      undefined
    )
    const { providerRecords, reprovided, reprovidedPerSecond, reprovideBacklog } = figures?.dht ?? {}
    assert.deepEqual([providerRecords, reprovided, reprovidedPerSecond, reprovideBacklog], [900, 50, 5, 19_950])
  })
})

describe("V8's trace of its collections", () => {
  it('says how much was allocated between them', () => {
    const line = (ms: number, before: number, after: number): string =>
      `[12:0x7f00]    ${ms} ms: Scavenge ${before.toFixed(1)} (8.0) -> ${after.toFixed(1)} (9.0) MB, pooled: 0 MB, 1.9 / 0.0 ms`
    const log = ['{"level":"info"}', line(1_000, 5, 4), line(1_500, 6, 4), line(3_000, 10, 5), 'end'].join('\n')
    // 2 MB and 6 MB within two seconds.
    assert.equal(allocationRate(log), 4 * 1_048_576)
    assert.equal(allocationRate('nothing'), undefined)
    assert.equal(allocationRate(line(1, 2, 3)), undefined)
  })
})
