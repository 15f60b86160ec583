import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isLeftOut, prepare } from '#test/perf/harness/contender.ts'
import { runHostile } from '#test/perf/harness/hostile-run.ts'

/** The benchmark `hostile`, small: counts and bytes alone, no latencies. */
describe('a peer of the table gone bad, in processes of their own', () => {
  const modes: readonly [string, string][] = [
    ['want-flood', 'ends its connection'],
    ['unsolicited', 'ends its connection']
  ]
  for (const [mode, what] of modes) {
    test(`${mode}: ${what}, everybody gets every blob, and its target stays small`, async () => {
      const contender = await prepare('sealsync')
      assert.ok(!isLeftOut(contender))
      const figures = await runHostile({
        contender,
        mode,
        nodes: 3,
        producers: 1,
        // Half of it is the attack: long enough for a busy machine to send what a node puts up with, and more.
        seconds: 6,
        warmUpSeconds: 0.5,
        rate: 10,
        blobBytes: 65_536,
        security: 'tls',
        nodeFlags: []
      })
      assert.equal(figures['missing'], 0)
      assert.equal(figures['cut'], 1)
      assert.ok((figures['attackPerSecond'] ?? 0) > 0)
      assert.ok((figures['rssGrowthMiB'] ?? Number.NaN) < 64, `${figures['rssGrowthMiB']} MiB`)
    })
  }
})
