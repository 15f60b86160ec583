import assert from 'node:assert/strict'
import { it } from 'node:test'
import { kills } from '../crash/kills.ts'

it('a store that is killed again and again while it stores, prunes and compacts loses nothing acknowledged', async () => {
  const report = await kills({ rounds: 20, seed: 7 })
  assert.deepEqual([report.lost, report.wrong], [0, 0])
  assert.ok(report.acknowledged > 20, `${report.acknowledged} heights`)
})
