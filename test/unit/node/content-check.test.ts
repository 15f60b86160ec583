import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { type BlobTreeManifest, ExecutionDataError } from '#src/execution-data/index.ts'
import { silentLogger } from '#src/log/index.ts'
import { parseExecutionDataId } from '#src/model/index.ts'
import { createContentCheck, createNoContentCheck } from '#src/node/content-check.ts'
import { createNodeMetrics } from '#src/node/metrics.ts'

const content = { chunks: 1, decodedBytes: 1, transactions: 0, events: 0, registers: 0, results: 0 }
const { signal } = new AbortController()

function manifestOf(digit: string): BlobTreeManifest {
  const executionDataId = parseExecutionDataId(digit.repeat(64))
  assert.ok(executionDataId)
  return { executionDataId, cids: [], bytes: 1, chunks: [] }
}

function checkWith(checkContent: (manifest: Pick<BlobTreeManifest, 'chunks'>) => Promise<typeof content>) {
  const register = new Registry()
  const check = createContentCheck({
    store: { checkContent },
    metrics: createNodeMetrics(register),
    logger: silentLogger
  })
  return { check, metrics: () => register.metrics() }
}

describe('content check', () => {
  it('decodes one block at a time, in the order they came', async () => {
    let running = 0
    const order: unknown[] = []
    const { check } = checkWith(async (manifest) => {
      running += 1
      assert.equal(running, 1)
      order.push(manifest)
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
      return content
    })
    const manifests = ['1', '2', '3'].map(manifestOf)
    await Promise.all(manifests.map((manifest) => check(manifest, { signal })))
    assert.deepEqual(order, manifests)
  })

  it('lets a block through that needs more memory than there is, and counts it', async () => {
    const { check, metrics } = checkWith(() => Promise.reject(new ExecutionDataError('memory-refused', 'no room')))
    await check(manifestOf('a'), { signal })
    assert.match(await metrics(), /sealsync_node_unchecked_blocks_total 1/)
  })

  it('counts every block that nobody is to check', async () => {
    const register = new Registry()
    const check = createNoContentCheck(createNodeMetrics(register))
    await Promise.all(['a', 'b'].map((digit) => check(manifestOf(digit), { signal })))
    assert.match(await register.metrics(), /sealsync_node_unchecked_blocks_total 2/)
  })

  it('passes malformed data on, and goes on with the next block', async () => {
    let calls = 0
    const { check } = checkWith(async () => {
      calls += 1
      if (calls === 1) throw new ExecutionDataError('cbor-malformed', 'no map')
      return content
    })
    await assert.rejects(check(manifestOf('a'), { signal }), { code: 'cbor-malformed' })
    await check(manifestOf('b'), { signal })
  })

  it('does not begin what was aborted while it waited', async () => {
    const controller = new AbortController()
    const { check } = checkWith(async () => {
      controller.abort(new Error('stopping'))
      return content
    })
    const first = check(manifestOf('a'), { signal })
    const second = check(manifestOf('b'), { signal: controller.signal })
    await first
    await assert.rejects(second, /stopping/)
  })
})
