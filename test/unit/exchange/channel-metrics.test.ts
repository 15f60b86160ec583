import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { createExchangeMetrics } from '#src/exchange/metrics.ts'

const levels = (sendBytes: number) => ({
  peers: 1,
  liveWants: 0,
  waitingFetches: 0,
  ledgerWants: 0,
  queuedBlocks: 0,
  sendBytes,
  receiveBytes: 0,
  wantAgeSeconds: { oldest: 0, p99: 0 },
  peerWindowBytes: { min: 0, mean: 0, max: 0 },
  peersByStrikes: { '0': 0, '1': 0, '2-3': 0, '4+': 0 },
  oldestQueuedSeconds: 0
})

test('what the second channel refuses and sends has names of its own, beside the first one’s', async () => {
  const register = new Registry()
  const staked = createExchangeMetrics(register)
  staked.totals.refusals.rate = 2
  staked.levels(() => levels(10))
  assert.doesNotMatch(await register.metrics(), /public_refusals_total\{/)
  const open = createExchangeMetrics(register, 'public-execution-data-service')
  open.totals.refusals.ledger = 3
  open.totals.sentBytes = 70
  open.levels(() => levels(40))
  const text = await register.metrics()
  for (const line of [
    'sealsync_exchange_public_refusals_total{reason="ledger"} 3',
    'sealsync_exchange_public_refusals_total{reason="rate"} 0',
    'sealsync_exchange_refusals_total{reason="rate"} 2',
    'sealsync_exchange_refusals_total{reason="ledger"} 0',
    'sealsync_exchange_public_send_in_flight_bytes 40',
    'sealsync_exchange_send_in_flight_bytes 10',
    'network_bitswap_data_sent{prefix="public-execution-data-service"} 70'
  ]) {
    assert.ok(text.split('\n').includes(line), line)
  }
})
