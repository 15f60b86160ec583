import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { ApiError } from '#src/api/errors.ts'
import { ExecutionDataReader } from '#src/api/execution-data-reader.ts'
import { createApiMetrics } from '#src/api/metrics.ts'
import {
  DESCRIBED_BLOB_BYTES,
  DESCRIBED_BLOB_TEXT_BYTES,
  defaultApiOptions,
  STREAM_WINDOW_BYTES
} from '#src/api/options.ts'
import { reserveFor } from '#src/api/refusals.ts'
import { createBudgetMetrics, MemoryBudget } from '#src/budget/index.ts'
import { defaultBudgetOptions } from '#src/budget/options.ts'
import { blobOf } from '#src/model/index.ts'
import { fixtureBlocks } from '#test/e2e/api-support.ts'

const MIB = 1024 ** 2

function apiAccount(capBytes: number) {
  const accountBytes = { ...defaultBudgetOptions.accountBytes, api: capBytes }
  const metrics = createBudgetMetrics(new Registry())
  return new MemoryBudget({ metrics }, { ...defaultBudgetOptions, accountBytes }).account('api')
}

/** A reader over a block of so many blobs. */
function readerOf(blobs: number, { capBytes = 16 * MIB, maxAnswerBytes = 64 * 1024 } = {}) {
  const account = apiAccount(capBytes)
  const { cid } = blobOf(Buffer.from('a blob'))
  const looked = { at: 0 }
  const never = (): never => assert.fail('is not asked for')
  const reader = new ExecutionDataReader(
    {
      tracker: { blockAt: never, blockById: never, lowest: 1, highest: 1, prunedTo: undefined },
      feedHighest: () => 1,
      readTree: never,
      encodeCar: never,
      account,
      metrics: createApiMetrics(new Registry()),
      async describeTree(_id, { onBlob }) {
        for (looked.at = 0; looked.at < blobs; looked.at += 1) onBlob()
        return { blobs: Array.from({ length: blobs }, () => ({ cid, size: 1_048_576 })), chunks: [] }
      }
    },
    { ...defaultApiOptions.reader, maxAnswerBytes }
  )
  const [block] = fixtureBlocks()
  assert.ok(block)
  const describeIt = (): Promise<object> => reader.describe(block, { signal: new AbortController().signal })
  return { account, looked, describeIt }
}

describe('the description of a block', () => {
  const maxAnswerBytes = 64 * 1024
  const most = Math.floor(maxAnswerBytes / DESCRIBED_BLOB_TEXT_BYTES)

  it('is given up to its limit, and then refused by name before more is looked at', async () => {
    // At the limit, one blob more, and far more.
    for (const [blobs, ok] of [
      [most - 1, true],
      [most, true],
      [most + 1, false],
      [most * 1_000, false]
    ] as const) {
      const { account, looked, describeIt } = readerOf(blobs)
      if (ok) {
        const text = JSON.stringify(await describeIt())
        assert.ok(text.length <= maxAnswerBytes, `${blobs} blobs take ${text.length} bytes`)
      } else {
        await assert.rejects(describeIt, (error) => {
          assert.ok(error instanceof ApiError)
          assert.equal(error.code, 'exceeds-limit')
          assert.match(error.message, /api\.reader\.maxAnswerBytes is 65536 bytes/)
          assert.deepEqual(error.details, {
            limit: 'api.reader.maxAnswerBytes',
            limitBytes: maxAnswerBytes,
            neededBytes: (most + 1) * DESCRIBED_BLOB_TEXT_BYTES
          })
          return true
        })
        assert.equal(looked.at, most)
      }
      assert.equal(account.reservedBytes, 0)
    }
  })

  it('is paid for blob by blob, and refused when the account has no room for it', async () => {
    const { account, describeIt } = readerOf(most, { capBytes: 2 * MIB })
    const held = account.capBytes - STREAM_WINDOW_BYTES - 100 * DESCRIBED_BLOB_BYTES
    assert.ok(account.tryReserve(held))
    await assert.rejects(describeIt, { code: 'overloaded' })
    assert.equal(account.reservedBytes, held)
    account.release(held)
    assert.ok(await describeIt())
    assert.equal(account.reservedBytes, 0)
  })
})

describe('what a request needs', () => {
  it('is reserved up to the account, refused for good above it, and for now where others hold it', () => {
    const account = apiAccount(4 * MIB)
    const codeFor = (bytes: number): string => {
      try {
        reserveFor(account, bytes, 'the answer')
        account.release(bytes)
        return 'ok'
      } catch (error) {
        assert.ok(error instanceof ApiError)
        assert.equal(error.details['limit'], 'budget.accountBytes.api')
        assert.equal(error.details['limitBytes'], 4 * MIB)
        assert.equal(error.details['neededBytes'], bytes)
        return error.code
      }
    }
    assert.equal(codeFor(4 * MIB), 'ok')
    assert.equal(codeFor(4 * MIB + 1), 'exceeds-limit')
    assert.equal(codeFor(1024 * MIB), 'exceeds-limit')
    assert.equal(codeFor(4 * MIB), 'ok')
    assert.ok(account.tryReserve(1))
    assert.equal(codeFor(4 * MIB), 'overloaded')
    assert.equal(codeFor(4 * MIB - 1), 'ok')
  })
})
