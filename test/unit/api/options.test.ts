import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import {
  type ApiOptions,
  createApiMetrics,
  defaultApiOptions,
  REQUEST_STATUS,
  STREAM_WINDOW_BYTES,
  validateApiOptions
} from '#src/api/index.ts'
import { defaultBudgetOptions } from '#src/budget/index.ts'

test('the defaults fit each other and the budget', () => {
  assert.deepEqual(validateApiOptions(defaultApiOptions), [])
  const { reader, adminReader } = defaultApiOptions
  const reserved = (reader.maxStreams + adminReader.maxStreams) * STREAM_WINDOW_BYTES
  assert.ok(reserved < defaultBudgetOptions.accountBytes.api)
})

test('each fault is one sentence that names its key', () => {
  const { api, admin, reader, health, client, metrics } = defaultApiOptions
  const cases: readonly (readonly [Partial<ApiOptions>, RegExp])[] = [
    [{ api: { ...api, port: 65_536 } }, /^api\.port is 65536/],
    [{ api: { ...api, port: -1 } }, /^api\.port/],
    [{ metrics: { ...metrics, host: '' } }, /^metrics\.host is empty/],
    [{ metrics: { ...metrics, maxScrapes: 0 } }, /^metrics\.maxScrapes is 0/],
    [{ api: { ...api, maxConnections: 0 } }, /^api\.maxConnections is 0/],
    [{ api: { ...api, writeDeadlineMs: 1.5 } }, /^api\.writeDeadlineMs is 1.5/],
    [{ api: { ...api, stopDeadlineMs: -1 } }, /^api\.stopDeadlineMs is -1/],
    [{ api: { ...api, maxUrlLength: 8192 } }, /^api\.maxUrlLength must be below/],
    [{ api: { ...api, headersTimeoutMs: 60_000 } }, /^api\.headersTimeoutMs exceeds api\.requestTimeoutMs/],
    [{ admin: { ...admin, maxJsonBytes: 0 } }, /^admin\.maxJsonBytes is 0/],
    [{ reader: { ...reader, maxStreams: 1000 } }, /^reader\.maxStreams exceeds/],
    [{ client: { ...client, timeoutMs: Number.NaN } }, /^client\.timeoutMs is NaN/],
    [{ health: { ...health, maxLag: -1 } }, /^health\.maxLag is -1/]
  ]
  for (const [change, fault] of cases) {
    const faults = validateApiOptions({ ...defaultApiOptions, ...change })
    assert.equal(faults.length, 1, JSON.stringify(faults))
    assert.match(faults[0] ?? '', fault)
  }
})

test('every refusal has a status of its kind, and two rooms may each have their metrics', () => {
  for (const [code, status] of Object.entries(REQUEST_STATUS)) assert.ok(status >= 400 && status < 600, code)
  createApiMetrics(new Registry())
  createApiMetrics(new Registry())
})
