import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseArm } from '#src/lab/compare/arms.ts'
import { Compare, type CompareComponents, orderOf } from '#src/lab/compare/compare.ts'
import { type CompareOptions, defaultCompareOptions, validateCompareOptions } from '#src/lab/compare/options.ts'
import { comparisonPage } from '#src/lab/compare/page.ts'
import { cpuByRoom, heapByRoom } from '#src/lab/compare/profiles.ts'
import type { CompareReport } from '#src/lab/compare/report.ts'
import { ratioInterval } from '#src/lab/compare/statistics.ts'
import { LabError, type LocalnetReport, renderComparison } from '#src/lab/index.ts'
import type { LocalnetOptions } from '#src/lab/options.ts'
import { localnetReport, nodeReport, type NodeShape } from '#test/support/lab/reports.ts'

const MIB = 1_048_576

type Answer = (options: LocalnetOptions, run: number) => LocalnetReport | Promise<LocalnetReport>

/** Two access nodes and a producer, that used what `shape` says. */
const network =
  (shape: (options: LocalnetOptions, run: number) => NodeShape): Answer =>
  (options, run) => {
    const own = shape(options, run)
    const nodes = [
      nodeReport('execution-1', { role: 'execution' }),
      nodeReport('access-1', own),
      nodeReport('access-2', own)
    ]
    return localnetReport(nodes, options)
  }

async function compare(
  answer: Answer,
  change: Partial<CompareOptions> = {},
  signal: AbortSignal = new AbortController().signal
): Promise<{ report: CompareReport; ran: LocalnetOptions[] }> {
  const options = { ...defaultCompareOptions, rounds: 3, ...change }
  const ran: LocalnetOptions[] = []
  const components: CompareComponents = {
    run: async (localnet) => {
      ran.push(localnet)
      return answer(localnet, ran.length - 1)
    },
    note: () => {},
    profilesOf: async (dir) => {
      if (dir.includes('broken')) throw new Error('no profile')
      const share = { room: `src/${dir.at(-1)}`, value: 2_000_000, share: 1 }
      return { cpu: [share], heap: [share] }
    },
    build: { version: '1', revision: 'abc' },
    now: () => 0,
    wallNow: () => 0
  }
  const arms = { a: parseArm(options.a, options.localnet), b: parseArm(options.b, options.localnet) }
  return { report: await new Compare(components, { compare: options, arms }).run({ signal }), ran }
}

const effect = (report: CompareReport, metric: string) => report.effects.find((one) => one.metric === metric)

/** The conventional build takes more memory, and streams; its CPU is sometimes more and sometimes less. */
const typical = network(({ routing }, run) =>
  routing === 'dht'
    ? { rssIdle: (150 + run) * MIB, duplicate: 20 * MIB, streamsPerSecond: 16, dhtRecords: 500, cpuSeconds: run % 3 }
    : { rssIdle: (100 + run) * MIB, cpuSeconds: 1 + (run % 2) * 0.01 }
)

describe('a comparison', () => {
  it('runs A B B A with one seed and load, and says what b is of a', async () => {
    const { report, ran } = await compare(typical)
    assert.deepEqual(report.order, ['a', 'b', 'b', 'a', 'a', 'b'])
    assert.deepEqual(
      ran.map(({ routing, policy }) => `${routing} ${policy}`),
      report.order.map((which) => (which === 'a' ? 'none assigned' : 'dht classic'))
    )
    assert.equal(new Set(ran.map(({ seed, rate, delayMs }) => `${seed} ${rate} ${delayMs}`)).size, 1)
    assert.deepEqual([report.ok, report.reasons], [true, []])
    assert.deepEqual([report.arms.a.runs.length, report.arms.b.runs.length], [3, 3])
    const memory = effect(report, 'rssBytes.idle')
    assert.equal(memory?.better, 'a')
    assert.ok((memory?.ci95?.[0] ?? 0) > 1.4 && (memory?.ratio ?? 0) < 1.6)
    assert.deepEqual([memory?.agreeing, memory?.rounds], [3, 3])
    assert.match(report.verdict, /^Against sealsync, dht takes .* times the streams/)
  })

  it('says none where the rounds do not all show it', async () => {
    const { report } = await compare(typical)
    const cpu = effect(report, 'cpuSecondsPerGiB')
    assert.equal(cpu?.better, 'none')
    const [low, high] = effect(report, 'heapBytes.idle')?.ci95 ?? [0, 0]
    assert.deepEqual([low, high, effect(report, 'heapBytes.idle')?.better], [1, 1, 'none'])
  })

  it('counts no duplicates as one blob, and no stream as one in the window', async () => {
    const { report } = await compare(typical)
    const duplicates = effect(report, 'duplicateBytes')
    assert.equal(duplicates?.a.median, 0)
    // A mean blob has half a MiB, root and chunk together; the nodes have 40 MiB too many.
    assert.equal(duplicates?.ratio, 80)
    assert.equal(duplicates?.better, 'a')
    assert.ok(Number.isFinite(effect(report, 'streamsOpenedPerSecond.dht.inbound')?.ratio))
    assert.equal(effect(report, 'dht.providerRecords')?.b.median, 500)
  })

  it('prints and draws what it found, with nothing from elsewhere', async () => {
    const { report } = await compare(typical, { b: 'routing=dht,policy=classic,cache=8MiB' })
    const text = renderComparison(report)
    assert.match(text, /rssBytes\.idle .* sealsync better/)
    assert.match(text, /heapBytes\.idle .* none/)
    assert.match(text, /threshold 48h 0m, queue 1024, 10 at a time; no round ended in the window/)
    const page = comparisonPage({ ...report, verdict: '<script>alert(1)</script>' })
    assert.doesNotMatch(page, /<script|https?:\/\//)
    assert.match(page, /default-src 'none'/)
    assert.equal([...page.matchAll(/<circle /g)].length > 6 * report.effects.length, true)
  })

  it('has both builds in one mesh when it is told so', async () => {
    const { report, ran } = await compare(
      (options) =>
        localnetReport(
          [
            nodeReport('access-1', { rssIdle: 100 * MIB }),
            nodeReport('access-2', { rssIdle: 200 * MIB, arm: 'b', dhtRecords: 5 })
          ],
          options
        ),
      { mixed: true, rounds: 2 }
    )
    assert.deepEqual(report.order, ['ab', 'ab'])
    assert.deepEqual(ran[0]?.mixed, { access: 4, routing: 'dht', policy: 'classic', settings: {} })
    assert.equal(ran[0]?.routing, 'none')
    assert.deepEqual([effect(report, 'rssBytes.idle')?.ratio, effect(report, 'announceToStoredMs.p50')], [2, undefined])
  })

  it('compresses the time of a DHT with old blobs, says by how much, and whether a round ended', async () => {
    const { report, ran } = await compare(
      network(({ routing }) => (routing === 'dht' ? { dhtRecords: 9, roundsEnded: 1 } : {})),
      { history: 20_000 }
    )
    assert.deepEqual(
      ran.slice(0, 2).map(({ settings }) => settings),
      [{}, { 'dht-reprovide-interval': '30s' }]
    )
    assert.deepEqual(report.workload.reprovide, {
      intervalMs: 30_000,
      thresholdMs: 48 * 3_600_000,
      queue: 1_024,
      concurrency: 10,
      compression: 1_440,
      roundEnded: true
    })
  })
})

describe('profiles', () => {
  it('come from one more run of each arm, and stand side by side', async () => {
    const { report, ran } = await compare(typical, { profiles: true, out: '/out' })
    assert.deepEqual(
      ran.slice(6).map(({ profiled }) => profiled),
      [
        { node: 'access-1', dir: '/out/profiles/a' },
        { node: 'access-1', dir: '/out/profiles/b' }
      ]
    )
    assert.equal(report.arms.a.runs.length, 3)
    assert.match(renderComparison(report), /CPU of sealsync: src\/a 100 %/)
    assert.match(comparisonPage(report), /src\/b<\/td><td>–<\/td><td>2\.00 s \(100\.0 %\)/)
  })

  it('that are not there are a reason', async () => {
    const { report } = await compare(typical, { profiles: true, out: '/broken' })
    assert.deepEqual([report.profiles, report.reasons.length], [null, 2])
    assert.match(report.reasons[0] ?? '', /^profiles of sealsync: no profile/)
  })

  const frame = (url: string, functionName = ''): { url: string; functionName: string } => ({ url, functionName })

  it('count what Node does for whoever called it', () => {
    const nodes = [
      { id: 1, callFrame: frame('', '(root)'), children: [2, 4, 5] },
      { id: 2, callFrame: frame('file:///x/src/exchange/client/a.ts'), children: [3] },
      { id: 3, callFrame: frame('node:internal/crypto') },
      { id: 4, callFrame: frame('', '(idle)') },
      { id: 5, callFrame: frame('', '(garbage collector)') },
      { id: 6, callFrame: frame('file:///x/node_modules/@libp2p/kad-dht/dist/a.js') }
    ]
    const cpu = cpuByRoom({ nodes, samples: [2, 3, 4, 5, 6], timeDeltas: [10, 20, 1_000, 5, 15] })
    assert.deepEqual(cpu, [
      { room: 'src/exchange', value: 30, share: 0.6 },
      { room: '@libp2p/kad-dht', value: 15, share: 0.3 },
      { room: 'garbage collection', value: 5, share: 0.1 }
    ])
    const leaf = { callFrame: frame('node:buffer'), selfSize: 30, children: [] }
    const heap = heapByRoom({
      callFrame: frame(''),
      selfSize: 0,
      children: [
        { callFrame: frame('file:///x/src/store/a.ts'), selfSize: 10, children: [leaf] },
        { callFrame: frame('file:///x/cmd/main.ts'), selfSize: 60, children: [] }
      ]
    })
    assert.deepEqual(heap, [
      { room: 'cmd', value: 60, share: 0.6 },
      { room: 'src/store', value: 40, share: 0.4 }
    ])
  })
})

describe('a comparison that goes wrong', () => {
  it('reports a run in which a process died, and does not average it away', async () => {
    const { report } = await compare((options, run) => {
      const good = network(() => ({ rssIdle: options.routing === 'dht' ? 150 * MIB : 100 * MIB }))(options, run)
      if (run !== 1) return good
      const dead = localnetReport([nodeReport('access-1', { rssIdle: 9_000 * MIB })], options, {
        ok: false,
        measured: false,
        reasons: ['access-2 ended with SIGKILL though nobody asked it to']
      })
      return dead
    })
    assert.equal(report.ok, false)
    assert.deepEqual(report.reasons, ['run 2 of 6 (dht): access-2 ended with SIGKILL though nobody asked it to'])
    assert.equal(report.arms.b.runs.length, 3)
    assert.equal(effect(report, 'rssBytes.idle')?.rounds, 2)
    assert.equal(effect(report, 'rssBytes.idle')?.b.median, 150 * MIB)
  })

  it('counts an arm that did not keep up, and says what it lacked', async () => {
    const { report } = await compare(async (options, run) => {
      const good = await network(() => ({ rssIdle: options.routing === 'dht' ? 150 * MIB : 100 * MIB }))(options, run)
      return run === 1 ? { ...good, ok: false, reasons: ['access-1 lacks 9 of 60 blocks'] } : good
    })
    assert.deepEqual([report.ok, report.reasons], [true, []])
    assert.deepEqual(report.shortfalls, ['run 2 of 6 (dht): access-1 lacks 9 of 60 blocks'])
    assert.equal(effect(report, 'rssBytes.idle')?.rounds, 3)
    assert.match(renderComparison(report), /not kept up with: run 2 of 6 \(dht\): access-1 lacks 9/)
    assert.match(comparisonPage(report), /<li>Not kept up with: run 2/)
  })

  it('reports a run that could not be made', async () => {
    const { report } = await compare((options, run) => {
      if (run === 0) throw new Error('no port is free')
      return network(() => ({}))(options, run)
    })
    assert.deepEqual(report.reasons, ['run 1 of 6 (sealsync): no port is free'])
    assert.equal(effect(report, 'rssBytes.idle')?.rounds, 2)
  })

  it('reports what was measured when it is interrupted', async () => {
    const control = new AbortController()
    const { report, ran } = await compare(
      (options, run) => {
        if (run === 3) control.abort(new Error('interrupted'))
        return typical(options, run)
      },
      {},
      control.signal
    )
    assert.equal(ran.length, 4)
    assert.deepEqual([report.ok, report.reasons], [false, ['interrupted: 3 of 6 runs were completed']])
    assert.equal(effect(report, 'rssBytes.idle')?.rounds, 1)
    const before = await compare(typical, {}, AbortSignal.abort())
    assert.deepEqual(before.report.effects, [])
    assert.match(before.report.verdict, /Nothing can be said/)
    assert.match(before.report.reasons.join('; '), /0 of 6 runs were completed; no pair of runs/)
  })

  for (const [text, message] of [
    ['fast', /'fast' is no arm: give one of sealsync, no-dht, dht/],
    ['routing=dht,speed=9', /there is no option 'speed'; there are routing, policy/],
    ['routing=maybe', /routing must be none or dht, not 'maybe'/],
    ['cache=lots', /'lots'/],
    ['cache=9GiB', /exceeds memory.budget/],
    ['role=execution', /there is no option 'role'/],
    ['', /is no arm/]
  ] as const) {
    it(`refuses the arm '${text}'`, () => {
      assert.throws(
        () => parseArm(text, defaultCompareOptions.localnet),
        (error: unknown) => error instanceof LabError && error.code === 'bad-option' && message.test(error.message)
      )
    })
  }

  it('refuses options that cannot be followed', () => {
    const faults = (change: Partial<CompareOptions>): string =>
      validateCompareOptions({ ...defaultCompareOptions, ...change }).join('; ')
    assert.equal(faults({}), '')
    assert.match(faults({ rounds: 0 }), /--rounds/)
    assert.match(faults({ history: -1 }), /--history/)
    const { forMs: _forMs, ...endless } = defaultCompareOptions.localnet
    assert.match(faults({ localnet: endless }), /every run must end/)
    assert.match(faults({ mixed: true, localnet: { ...endless, forMs: 1, access: 1 } }), /--mixed needs/)
  })
})

describe('the interval of a ratio', () => {
  it('is the same for the same seed, holds the ratio, and is a point for runs that are alike', () => {
    const [a, b] = [
      [10, 11, 12, 13],
      [20, 21, 25, 26]
    ]
    const interval = ratioInterval(a, b, 7)
    assert.deepEqual(ratioInterval(a, b, 7), interval)
    assert.ok(interval.low < 2 && interval.high > 2 && interval.low > 1.7 && interval.high < 2.4)
    assert.deepEqual(ratioInterval([2, 2], [4, 4], 1), { low: 2, high: 2 })
  })

  it('takes turns in who is first', () => {
    assert.deepEqual(orderOf(4, false), ['a', 'b', 'b', 'a', 'a', 'b', 'b', 'a'])
    assert.deepEqual(orderOf(2, true), ['ab', 'ab'])
  })
})
