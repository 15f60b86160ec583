import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { allMetrics, type MetricFacts } from '../../build/docs/metrics.ts'
import { root, sourceFiles } from '../../build/docs/source-facts.ts'

/** What would make a series for every blob, block or node. */
const UNBOUNDED = /^(?:cid|height|peer|peer_?id|node_?id|block_?id|address)$/i

/** What is wrong with a name of our own, if anything. `process` is the room `metrics` speaking of its process. */
function faultOf({ name, type, labels, room, flow, ofProcess }: MetricFacts): string | undefined {
  const unbounded = labels.find((label) => UNBOUNDED.test(label))
  if (unbounded !== undefined) return `${name} has a label ${unbounded}: a series for each`
  if (flow || ofProcess || name === 'sealsync_build_info') return undefined
  const prefix = `sealsync_${room === 'metrics' ? 'process' : room.replaceAll('-', '_')}_`
  if (!name.startsWith(prefix)) return `${name} of the room ${room} does not begin with ${prefix}`
  if (!/^[a-z0-9_]+$/.test(name)) return `${name} has letters that no name has`
  if (/_(?:ms|milliseconds|kib|mib|percent)(?:_total)?$/.test(name)) return `${name} is not in a base unit`
  if ((type === 'counter') !== name.endsWith('_total')) return `${name} is a ${type}: _total is for counters alone`
  return undefined
}

const sorted = (names: readonly string[]): string[] => [...names].sort((a, b) => (a < b ? -1 : 1))

describe('metrics', async () => {
  const metrics = await allMetrics()

  it('come from every file that makes some', () => {
    const makers = sourceFiles('src').filter((file) =>
      /import \{[^}]*\b(?:Counter|Gauge|Histogram|Summary)\b[^}]*\} from 'prom-client'/.test(
        readFileSync(`${root}/${file}`, 'utf8')
      )
    )
    const rooms = new Set(metrics.map(({ room }) => room))
    assert.deepEqual(
      makers.filter((file) => !rooms.has(file.split('/')[1] ?? '')),
      []
    )
    assert.ok(makers.length > 8, `only ${makers.length} files make metrics`)
  })

  it('have names and labels as the house wants them', () => {
    assert.deepEqual(
      metrics.map(faultOf).filter((fault) => fault !== undefined),
      []
    )
  })

  it('say what they mean', () => {
    assert.deepEqual(
      metrics.filter(({ help }) => help.length < 8).map(({ name }) => name),
      []
    )
  })

  it('stand on the page, all of them and nothing else', () => {
    const page = readFileSync(`${root}/docs/metrics.md`, 'utf8')
    const listed = [...page.matchAll(/^\| `([a-z0-9_]+)` \|/gm)].map(([, name = '']) => name)
    assert.deepEqual(sorted(listed), sorted(metrics.map(({ name }) => name)))
  })

  it('of which other pages speak exist', () => {
    const names = metrics.map(({ name }) => name)
    const wrong = ['operations', 'metrics', 'limits', 'errors', 'configuration'].flatMap((page) =>
      [
        ...readFileSync(`${root}/docs/${page}.md`, 'utf8').matchAll(
          /\b(?:sealsync|network|state_synchronization)_[a-z0-9_]{4,}/g
        )
      ]
        .map(([name]) => name)
        .filter((name) => !names.includes(name))
    )
    assert.deepEqual(wrong, [])
  })

  const FINE: MetricFacts = {
    name: 'sealsync_store_blobs',
    type: 'gauge',
    help: 'Blobs stored',
    labels: [],
    room: 'store',
    flow: false,
    ofProcess: false
  }
  for (const [what, change] of [
    ['of another room', { room: 'feed' }],
    ['that is a counter without _total', { type: 'counter' }],
    ['that is a gauge with _total', { name: 'sealsync_store_blobs_total' }],
    ['in milliseconds', { name: 'sealsync_store_put_ms' }],
    ['with a peer for a label', { labels: ['peer'] }]
  ] as const) {
    it(`a planted name ${what} is found`, () => {
      assert.equal(faultOf(FINE), undefined)
      assert.notEqual(faultOf({ ...FINE, ...change }), undefined)
    })
  }
})
