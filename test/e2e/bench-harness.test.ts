import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compare } from '#test/perf/harness/bench.ts'
import { runBulk } from '#test/perf/harness/bulk-run.ts'
import { runHerd } from '#test/perf/harness/herd-run.ts'
import { atLeast, atMost, renderReport } from '#test/perf/harness/report.ts'

const quiet = (): void => {}

test('a herd of two nodes gives a report with the figures of every run', async () => {
  const report = await compare(
    {
      name: 'herd',
      options: {},
      contenders: ['sealsync'],
      rounds: 1,
      run: (contender) =>
        runHerd({
          contender,
          nodes: 2,
          producers: 1,
          seconds: 0.8,
          warmUpSeconds: 0.2,
          rate: 20,
          blobBytes: 65_536,
          delayMs: 5,
          silent: 0,
          silentProducers: 0,
          security: 'tls',
          nodeFlags: []
        }),
      judge: (reports) => ({
        ratios: {},
        goals: [
          atMost('duplicateRatio', reports.get('sealsync')?.median['duplicateRatio'], 0),
          atLeast('against boxo', 1, reports.get('boxo')?.median['storedMsP50'], 'boxo did not run')
        ]
      })
    },
    quiet
  )
  assert.equal(report.schema, 'sealsync.bench/1')
  assert.equal(report.ok, true)
  const [ours] = report.contenders
  assert.equal(ours?.name, 'sealsync')
  assert.equal(ours?.runs.length, 1)
  const figures = ours?.median ?? {}
  assert.equal(figures['missing'], 0)
  assert.equal(figures['duplicateRatio'], 0)
  assert.equal(figures['producerUploadShare'], 1)
  assert.equal(figures['producerCopiesPerBlob'], 1)
  // One way there, one back: less than that cannot be.
  assert.ok((figures['storedMsP50'] ?? 0) >= 10, `${figures['storedMsP50']} ms`)
  assert.deepEqual(report.goals.at(-1), {
    name: 'against boxo',
    value: 1,
    goal: '≥ what was left out',
    ok: null,
    reason: 'boxo did not run'
  })
  assert.match(renderReport(report), /storedMsP50/)
})

test('a node that stops dead half way is counted neither as missing nor as delivered', async () => {
  const report = await compare(
    {
      name: 'herd',
      options: {},
      contenders: ['sealsync'],
      rounds: 1,
      run: (contender) =>
        runHerd({
          contender,
          nodes: 4,
          producers: 2,
          seconds: 1,
          warmUpSeconds: 0.2,
          rate: 10,
          blobBytes: 8192,
          delayMs: 0,
          silent: 1,
          silentProducers: 0,
          security: 'noise',
          nodeFlags: []
        }),
      judge: () => ({ ratios: {}, goals: [] })
    },
    quiet
  )
  assert.equal(report.contenders[0]?.median['missing'], 0)
})

test('bulk figures come from one receiver and several holders', async () => {
  const report = await compare(
    {
      name: 'catch-up',
      options: {},
      contenders: ['sealsync'],
      rounds: 1,
      run: (contender) =>
        runBulk({
          contender,
          holders: 2,
          bytes: 20 * 65_536,
          blobBytes: 65_536,
          security: 'tls',
          pin: false,
          nodeFlags: []
        }),
      judge: () => ({ ratios: {}, goals: [] })
    },
    quiet
  )
  const figures = report.contenders[0]?.median ?? {}
  assert.equal(figures['duplicateRatio'], 0)
  assert.equal(figures['wantsPerBlob'], 1)
  assert.ok((figures['mbPerSecond'] ?? 0) > 0)
})
