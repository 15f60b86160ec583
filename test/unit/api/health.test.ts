import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assessHealth, defaultApiOptions, HEALTH_CHECKS, type HealthInputs, healthChecks } from '#src/api/index.ts'

const well: HealthInputs = {
  databaseOpen: true,
  peersConnected: 4,
  peersExpected: 4,
  lag: 0,
  stall: undefined,
  halted: undefined,
  stopping: false,
  windingDown: undefined,
  admitted: true,
  diskOk: true
}
const options = { ...defaultApiOptions.health, minPeers: 2, maxLag: 10 }
const cid = 'QmYNWh6UUdbcKRpiGeKKJ3rkrsGnKk7nhrYuhZu7iNKmc5'

test('a node that is well passes every check', () => {
  const health = assessHealth(healthChecks(well, options))
  assert.equal(health.ready, true)
  assert.equal(health.failing, '')
  assert.deepEqual(
    health.checks.map(({ name }) => name),
    [...HEALTH_CHECKS]
  )
  assert.ok(health.checks.every(({ reason }) => reason.length > 0))
})

test('each fault fails its own check alone, with what a human needs', () => {
  const cases: readonly (readonly [Partial<HealthInputs>, string, RegExp])[] = [
    [{ stopping: true }, 'stopping', /stopping/],
    [{ databaseOpen: false }, 'database', /see the log/],
    [{ diskOk: false }, 'disk', /free some space/],
    [{ admitted: false }, 'identity', /ejected/],
    [{ peersConnected: 1 }, 'peers', /^1 of 4 staked peers connected, 2 needed: check/],
    [{ halted: { height: 9, reason: 'malformed root' } }, 'halted', /^halted at height 9: malformed root$/],
    [{ lag: undefined }, 'lag', /no sealed block heard of/],
    [{ lag: 11 }, 'lag', /^11 blocks behind the feed, 10 allowed/],
    [
      { stall: { height: 8, cid, askedPeers: 6, lastAnswerMsAgo: 31_000, nextTryMs: 400 } },
      'stall',
      new RegExp(`^stalled at height 8: missing blob ${cid}, asked 6 peers, last answer 31.0s ago, next try in 400ms$`)
    ],
    [
      { stall: { height: 8, cid: null, askedPeers: 0, remedy: 'import it, or begin higher' } },
      'stall',
      /^stalled at height 8: import it, or begin higher$/
    ],
    [{ stall: { height: 8, cid, askedPeers: 2 } }, 'stall', /asked 2 peers, none answered$/],
    [{ stall: { height: 8, cid, askedPeers: 0 } }, 'stall', /no peer could be asked/]
  ]
  for (const [change, name, reason] of cases) {
    const health = assessHealth(healthChecks({ ...well, ...change }, options))
    assert.equal(health.ready, false, name)
    const failing = health.checks.filter(({ ok }) => !ok)
    assert.deepEqual(
      failing.map((check) => check.name),
      [name]
    )
    assert.match(failing[0]?.reason ?? '', reason)
    assert.equal(health.failing, `${name}: ${failing[0]?.reason}`)
  }
})

test('the limits themselves still pass', () => {
  const edges: readonly Partial<HealthInputs>[] = [
    { lag: 10 },
    { peersConnected: 2 },
    // Fewer peers exist than are asked for.
    { peersConnected: 1, peersExpected: 1 },
    { peersConnected: 0, peersExpected: 0 }
  ]
  for (const change of edges) assert.equal(assessHealth(healthChecks({ ...well, ...change }, options)).ready, true)
})
