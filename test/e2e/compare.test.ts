import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { CompareReport } from '#src/lab/index.ts'
import { lastJson, sealsync } from '#test/support/node/cli.ts'

describe('compare', () => {
  const folder = mkdtempSync(join(tmpdir(), 'compare-'))
  after(() => rmSync(folder, { recursive: true }))

  it('runs both arms as real networks, with old blobs, and writes what it found', async () => {
    const out = join(folder, 'out')
    const size = ['--execution', '1', '--access', '1', '--blob-size', '64KiB', '--for', '4s', '--quiet', '0']
    const args = ['--a', 'sealsync', '--b', 'routing=dht,policy=classic,dht-reprovide-interval=2s', '--rounds', '1']
    const finished = await sealsync(['compare', ...args, ...size, '--history', '20', '--out', out, '--json'])
    const report = lastJson<CompareReport>(finished)
    assert.deepEqual([report.schema, report.ok, report.reasons], ['sealsync.compare/1', true, []])
    assert.deepEqual(report.order, ['a', 'b'])
    const of = (metric: string) => report.effects.find((effect) => effect.metric === metric)
    assert.equal(of('dht.messagesPerSecond')?.a.median, 0)
    assert.ok((of('dht.messagesPerSecond')?.b.median ?? 0) > 0)
    // Forty old blobs, a root and a chunk of each block, and those of the run.
    assert.ok((report.arms.b.runs[0]?.nodes[1]?.resources?.dht?.ownRecords ?? 0) > 40)
    assert.ok((of('dht.reprovidedPerSecond')?.b.median ?? 0) > 0)
    for (const metric of ['rssBytes.peak', 'cpuSecondsPerGiB', 'wireBytesPerUsefulByte', 'allocatedBytesPerSecond'])
      assert.ok((of(metric)?.a.median ?? 0) > 0, metric)
    assert.equal(report.workload.reprovide?.intervalMs, 2_000)
    assert.deepEqual(JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')), report)
    assert.match(readFileSync(join(out, 'report.html'), 'utf8'), /^<!doctype html>/)
    assert.equal(JSON.parse(readFileSync(join(out, 'runs', 'b-1.json'), 'utf8')).schema, 'sealsync.localnet/1')
  })

  it('says which option of an arm there is not', async () => {
    const { code, stderr } = await sealsync(['compare', '--a', 'routing=none,warp=9', '--json'])
    assert.equal(code, 2)
    assert.match(stderr, /there is no option 'warp'; there are routing, policy/)
  })
})
