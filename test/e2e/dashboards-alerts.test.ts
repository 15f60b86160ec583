import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { ALERTS } from '../../build/dashboards/alerts.ts'
import { root } from '../../build/docs/source-facts.ts'
import { hasProgram, promtool, testAlerts } from '#test/support/dashboards/promtool.ts'

const skip = (await hasProgram('promtool')) ? false : 'promtool is not installed (Debian: apt-get install prometheus)'

test('Prometheus takes the rules', { skip }, async () => {
  for (const file of ['alerts', 'recording']) {
    assert.equal(await promtool(['check', 'rules', join(root, `dashboards/rules/${file}.yaml`)]), undefined)
  }
})

test('each alert fires on its cause, and none is loud without', { skip }, async () => {
  assert.equal(await testAlerts(), undefined)
})

test('a planted alert that never fires, and one that always does, are found', { skip }, async () => {
  const planted = (expr: string) =>
    ALERTS.map((alert) => (alert.alert === 'SealsyncStalled' ? { ...alert, expr } : alert))
  assert.match((await testAlerts(planted('sealsync_requester_stalled == 2'))) ?? '', /SealsyncStalled/)
  assert.match((await testAlerts(planted('sealsync_requester_stalled >= 0'))) ?? '', /firing/)
})
