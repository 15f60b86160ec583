import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import fc from 'fast-check'
import { STREAM_WINDOW_BYTES } from '#src/api/index.ts'
import { blobOf, type ExecutionDataId, parseBlockId } from '#src/model/index.ts'
import {
  ask,
  MemoryArchive,
  fixtureBlocks,
  fixtureCar,
  open,
  rawExchange,
  sendOnly,
  startApi,
  until,
  valueOf
} from './api-support.ts'

const MIB = 1_048_576
const GET_500 = 'GET /v1/execution-data/500 HTTP/1.1\r\nHost: localhost\r\n\r\n'

/** Height 500: `count` blobs of 1 MiB, too much for the socket buffers of an idle reader. */
function largeBlock(archive: MemoryArchive, count: number): void {
  const blobs = Array.from({ length: count }, (_, index) => blobOf(Buffer.alloc(MIB, index + 1)))
  const executionDataId = blobs[0]?.cid.toExecutionDataId() as ExecutionDataId
  const blockId = parseBlockId('5'.repeat(64))
  assert.ok(blockId)
  archive.add({ height: 500, blockId, executionDataId, trackedAtMs: 0 }, blobs)
}

test('a CAR is the very file of the golden chain, by height and by block id', async () => {
  const archive = new MemoryArchive()
  const blocks = archive.addFixture(1_000_000, 1_000_001, 1_000_010)
  const api = await startApi(archive)
  for (const block of blocks) {
    for (const name of [String(block.height), block.blockId, block.blockId.toUpperCase()]) {
      const answer = await ask(api, `/v1/execution-data/${name}`)
      assert.equal(answer.status, 200)
      assert.match(answer.headers['content-type'] ?? '', /^application\/vnd\.ipld\.car/)
      assert.ok(answer.body.equals(fixtureCar(block.height)), `the CAR of ${name}`)
    }
  }
  assert.equal(api.account.reservedBytes, 0)
  assert.equal(archive.reading, 0)
  await until(async () => (await valueOf(api.register, 'sealsync_api_requests_total', { status: '2xx' })) === 9)
  const bytes = await valueOf(api.register, 'sealsync_api_response_bytes_total', { route: 'execution-data' })
  assert.equal(bytes, 3 * blocks.reduce((sum, { height }) => sum + fixtureCar(height).length, 0))
  assert.equal(api.sent.bytes, bytes, 'what keeps a node from resting')
  await api.listener.stop()
})

test('HEAD reads no blob, and a known entity tag gets 304', async () => {
  const archive = new MemoryArchive()
  archive.addFixture(1_000_001)
  const api = await startApi(archive)
  const head = await ask(api, '/v1/execution-data/1000001', { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(head.body.length, 0)
  const headers = { 'If-None-Match': `"other", W/${head.headers.etag}` }
  assert.equal((await ask(api, '/v1/execution-data/1000001', { headers })).status, 304)
  assert.equal((await ask(api, '/v1/execution-data/1000001?format=json', { headers })).status, 200)
  assert.equal(archive.pulled, 0)
  await api.listener.stop()
})

test('format=json describes the tree', async () => {
  const archive = new MemoryArchive()
  const [block] = archive.addFixture(1_000_000)
  const api = await startApi(archive)
  const { status, json } = await ask(api, '/v1/execution-data/1000000?format=json')
  assert.equal(status, 200)
  assert.equal(json['height'], 1_000_000)
  assert.equal(json['blockId'], block?.blockId)
  assert.equal(json['executionDataId'], block?.executionDataId)
  assert.equal(json['rootCid'], 'QmYNWh6UUdbcKRpiGeKKJ3rkrsGnKk7nhrYuhZu7iNKmc5')
  const blobs = json['blobs'] as { cid: string; size: number }[]
  assert.equal(blobs[0]?.cid, json['rootCid'])
  assert.ok(blobs.every(({ cid, size }) => cid.startsWith('Qm') && size > 0))
  assert.equal(api.account.reservedBytes, 0)
  await api.listener.stop()
})

test('malformed requests are told what is malformed', async () => {
  const archive = new MemoryArchive()
  archive.addFixture(1_000_000)
  const api = await startApi(archive)
  const cases: readonly (readonly [path: string, status: number, code: string, options?: { method: string }])[] = [
    ['/v1/execution-data/-1', 400, 'bad-height'],
    ['/v1/execution-data/1.5', 400, 'bad-height'],
    ['/v1/execution-data/1e6', 400, 'bad-height'],
    // 17 digits, and 16 digits above 2^53
    ['/v1/execution-data/10000000000000000', 400, 'bad-height'],
    ['/v1/execution-data/9999999999999999', 400, 'bad-height'],
    ['/v1/execution-data/abc', 400, 'bad-block-id'],
    [`/v1/execution-data/${'a'.repeat(63)}`, 400, 'bad-block-id'],
    [`/v1/execution-data/${'g'.repeat(64)}`, 400, 'bad-block-id'],
    ['/v1/execution-data/%31', 400, 'bad-block-id'],
    ['/v1/execution-data/1000000?format=xml', 400, 'bad-format'],
    ['/v1/execution-data/1000000?format=', 400, 'bad-format'],
    ['/v1/execution-data/1000000?format=car&format=json', 400, 'bad-format'],
    // 64 decimal digits are a block id
    [`/v1/execution-data/${'1'.repeat(64)}`, 404, 'unknown-block'],
    ['/v1/execution-data/', 404, 'not-found'],
    ['/v1/execution-data/1/2', 404, 'not-found'],
    ['/v1/blobs/Qm', 400, 'bad-cid'],
    // base58 has no 0
    [`/v1/blobs/Qm${'0'.repeat(44)}`, 400, 'bad-cid'],
    ['/v1/blobs/bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi', 400, 'bad-cid'],
    [`/v1/blobs/${blobOf(Buffer.from('not here')).cid}`, 404, 'unknown-blob'],
    ['/v1/blobs/Qm', 405, 'method-not-allowed', { method: 'POST' }],
    ['/v1/execution-data/1', 405, 'method-not-allowed', { method: 'DELETE' }],
    [`/v1/blobs/${'Q'.repeat(3000)}`, 414, 'uri-too-long']
  ]
  for (const [path, status, code, options] of cases) {
    const answer = await ask(api, path, options)
    assert.equal(answer.json.error.code, code, path)
    assert.equal(answer.status, status, path)
    assert.ok(answer.json.error.message.length > 0)
    if (status === 405) assert.equal(answer.headers.allow, 'GET, HEAD')
  }
  const head = await ask(api, '/v1/execution-data/abc', { method: 'HEAD' })
  assert.equal(head.status, 400)
  await api.listener.stop()
})

test('a height that is not here: pruned or unknown is 404 with what is held, to come is 503', async () => {
  const archive = new MemoryArchive()
  const api = await startApi(archive)
  const codeOf = async (height: number) => {
    const { status, json, headers } = await ask(api, `/v1/execution-data/${height}`)
    return [status, json.error.code, json.error['lowest'], json.error['highest'], headers['retry-after']]
  }
  assert.deepEqual(await codeOf(5), [503, 'not-available', null, null, '1'])
  archive.addFixture(1_000_010, 1_000_012)
  archive.prunedTo = 1_000_007
  archive.feed = 1_000_020
  assert.deepEqual(await codeOf(1_000_007), [404, 'pruned', 1_000_010, 1_000_012, undefined])
  assert.deepEqual(await codeOf(1_000_008), [404, 'unknown-height', 1_000_010, 1_000_012, undefined])
  assert.deepEqual(await codeOf(1_000_011), [503, 'not-available', 1_000_010, 1_000_012, '1'])
  assert.deepEqual(await codeOf(1_000_020), [503, 'not-available', 1_000_010, 1_000_012, '1'])
  assert.deepEqual(await codeOf(1_000_021), [404, 'unknown-height', 1_000_010, 1_000_012, undefined])
  await api.listener.stop()
})

test('a tree that cannot be read is 503 while nothing was sent, and logged', async () => {
  const archive = new MemoryArchive()
  const [block] = archive.addFixture(1_000_000)
  const api = await startApi(archive)
  archive.before = async () => {
    throw new Error('segment 7 is gone')
  }
  const broken = await ask(api, '/v1/execution-data/1000000')
  assert.equal(broken.status, 503)
  assert.equal(broken.json.error.code, 'not-available')
  assert.ok(!broken.body.includes('segment 7'))
  assert.ok(api.lines.some(({ fields }) => JSON.stringify(fields).includes('segment 7 is gone')))

  archive.before = async () => {
    archive.blocksByHeight.delete(block?.height ?? 0)
    archive.prunedTo = block?.height
    throw new Error('pruned meanwhile')
  }
  assert.equal((await ask(api, '/v1/execution-data/1000000')).json.error.code, 'pruned')
  assert.equal(api.account.reservedBytes, 0)
  await api.listener.stop()
})

test('a CAR that fails half way resets the connection, also for HTTP/1.0', async () => {
  const archive = new MemoryArchive()
  largeBlock(archive, 4)
  const api = await startApi(archive)
  archive.before = async (index) => {
    if (index === 3) throw new Error('bit rot')
  }
  await assert.rejects(ask(api, '/v1/execution-data/500'), { code: 'ECONNRESET' })
  let failure: unknown
  const socket = await sendOnly(api.port, 'GET /v1/execution-data/500 HTTP/1.0\r\n\r\n')
  socket.on('error', (error) => {
    failure = error
  })
  socket.resume()
  await once(socket, 'close').catch(() => {})
  assert.equal(
    (failure as { code?: string }).code,
    'ECONNRESET',
    'an HTTP/1.0 client must not take the end for the end of file'
  )
  await until(
    async () => (await valueOf(api.register, 'sealsync_api_answers_cut_total', { reason: 'source-failed' })) === 2
  )
  await until(() => api.account.reservedBytes === 0 && archive.reading === 0)
  await api.listener.stop()
})

test('a reader that pauses holds the source back, and one that never reads is cut', async () => {
  const archive = new MemoryArchive()
  largeBlock(archive, 64)
  const api = await startApi(archive, { api: { writeDeadlineMs: 300 } })
  const socket = await sendOnly(api.port, GET_500)
  socket.on('error', () => {})
  await until(() => archive.pulled > 0)
  assert.equal(api.account.reservedBytes, STREAM_WINDOW_BYTES)
  await until(
    async () => (await valueOf(api.register, 'sealsync_api_answers_cut_total', { reason: 'slow-reader' })) === 1
  )
  assert.ok(archive.pulled < 32, `${archive.pulled} of 64 blobs were read for a reader that took none`)
  await until(() => archive.reading === 0 && api.account.reservedBytes === 0)
  assert.equal(await valueOf(api.register, 'sealsync_api_requests_total', { status: 'aborted' }), 1)
  socket.destroy()
  await api.listener.stop()
})

test('a reader that pauses for less than the deadline gets the whole file', async () => {
  const archive = new MemoryArchive()
  largeBlock(archive, 24)
  const api = await startApi(archive)
  const answer = await open(api, '/v1/execution-data/500')
  let total = 0
  for await (const part of answer) {
    total += (part as Buffer).length
    if (total < 2 * MIB) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert.ok(total > 24 * MIB)
  assert.ok(answer.complete)
  await api.listener.stop()
})

test('a client that leaves aborts the reading of the store', async () => {
  const archive = new MemoryArchive()
  largeBlock(archive, 4)
  const api = await startApi(archive)
  let aborted = false
  archive.before = (index, signal) =>
    index < 2
      ? Promise.resolve()
      : new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            aborted = true
            reject(signal.reason)
          })
        })
  const answer = await open(api, '/v1/execution-data/500')
  answer.on('error', () => {})
  answer.destroy()
  await until(() => aborted && archive.reading === 0 && api.account.reservedBytes === 0)
  await until(
    async () => (await valueOf(api.register, 'sealsync_api_answers_cut_total', { reason: 'client-gone' })) === 1
  )
  await api.listener.stop()
})

test('no more streams than allowed, and none without memory', async () => {
  const archive = new MemoryArchive()
  archive.addFixture(1_000_000)
  const gate = Promise.withResolvers<void>()
  archive.before = () => gate.promise
  const api = await startApi(archive, { reader: { maxStreams: 2 } })
  const first = [ask(api, '/v1/execution-data/1000000'), ask(api, '/v1/execution-data/1000000')]
  await until(() => archive.reading === 2)
  const third = await ask(api, '/v1/execution-data/1000000')
  assert.equal(third.status, 429)
  assert.equal(third.json.error.code, 'too-many-streams')
  assert.equal(third.headers['retry-after'], '1')
  assert.equal((await ask(api, '/v1/execution-data/1000000?format=json')).status, 429)
  gate.resolve()
  for (const answer of await Promise.all(first)) assert.equal(answer.status, 200)
  assert.equal((await ask(api, '/v1/execution-data/1000000')).status, 200)
  await api.listener.stop()

  const poor = await startApi(archive, { accountBytes: 2 * MIB })
  assert.ok(poor.account.tryReserve(MIB))
  const refused = await ask(poor, '/v1/execution-data/1000000')
  assert.equal(refused.status, 503)
  assert.equal(refused.json.error.code, 'overloaded')
  assert.equal(refused.json.error['limit'], 'budget.accountBytes.api')
  assert.equal(refused.json.error['limitBytes'], 2 * MIB)
  poor.account.release(MIB)
  assert.equal((await ask(poor, '/v1/execution-data/1000000')).status, 200)
  await poor.listener.stop()
})

test('a blob larger than the window is paid for, or not sent at all', async () => {
  const archive = new MemoryArchive()
  const blob = blobOf(Buffer.alloc(2 * MIB, 1))
  const blockId = parseBlockId('5'.repeat(64))
  assert.ok(blockId)
  archive.add({ height: 500, blockId, executionDataId: blob.cid.toExecutionDataId(), trackedAtMs: 0 }, [blob])
  const rich = await startApi(archive, { accountBytes: 2 * MIB })
  assert.ok((await ask(rich, '/v1/execution-data/500')).body.length > 2 * MIB)
  assert.equal(rich.account.reservedBytes, 0)
  await rich.listener.stop()
  const poor = await startApi(archive, { accountBytes: 2 * MIB - 1 })
  await assert.rejects(ask(poor, '/v1/execution-data/500'), { code: 'ECONNRESET' })
  await until(() => poor.account.reservedBytes === 0)
  await poor.listener.stop()
})

test('no more blobs at one time than allowed', async () => {
  const archive = new MemoryArchive()
  archive.addFixture(1_000_001)
  const api = await startApi(archive, { api: { maxBlobReads: 1 } })
  const gate = Promise.withResolvers<void>()
  archive.beforeBlob = () => gate.promise
  const path = `/v1/blobs/${[...archive.blobs.values()][0]?.cid}`
  const first = ask(api, path)
  await until(() => api.account.reservedBytes > 0)
  const second = await ask(api, path)
  assert.equal(second.status, 429)
  assert.equal(second.json.error.code, 'too-many-streams')
  assert.equal((await ask(api, path, { method: 'HEAD' })).status, 200, 'what sends no bytes needs no place')
  gate.resolve()
  assert.equal((await first).status, 200)
  await api.listener.stop()
})

test('blobs: bytes, HEAD, entity tags, and no memory', async () => {
  const archive = new MemoryArchive()
  archive.addFixture(1_000_000)
  const api = await startApi(archive, { accountBytes: 100_000 })
  for (const blob of archive.blobs.values()) {
    const path = `/v1/blobs/${blob.cid}`
    const head = await ask(api, path, { method: 'HEAD' })
    assert.equal(head.headers['content-length'], String(blob.bytes.length))
    assert.equal(head.headers.etag, `"${blob.cid}"`)
    assert.equal((await ask(api, path, { headers: { 'If-None-Match': `"${blob.cid}"` } })).status, 304)
    const answer = await ask(api, path)
    if (blob.bytes.length > 100_000) {
      assert.equal(answer.status, 413)
      assert.equal(answer.json.error.code, 'exceeds-limit')
      continue
    }
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['content-type'], 'application/octet-stream')
    assert.ok(answer.body.equals(blob.bytes))
  }
  assert.equal(api.account.reservedBytes, 0)
  await api.listener.stop()
})

test('on a loopback address only loopback and allowed names are answered', async () => {
  const archive = new MemoryArchive()
  archive.addFixture(1_000_001)
  const api = await startApi(archive, { api: { allowedHosts: ['node.example'] } })
  const statusFor = async (host: string) =>
    (await ask(api, '/v1/execution-data/1000001', { method: 'HEAD', headers: { Host: host } })).status
  for (const host of ['localhost', `localhost:${api.port}`, '127.0.0.1', '[::1]:80', 'NODE.example:8070']) {
    assert.equal(await statusFor(host), 200, host)
  }
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', 'a@localhost']) {
    assert.equal(await statusFor(host), 421, host)
  }
  const headless = await rawExchange(api.port, 'HEAD /v1/execution-data/1000001 HTTP/1.0\r\n\r\n')
  assert.match(headless, /^HTTP\/1\.1 200 /)
  await api.listener.stop()
})

test('no request target makes the listener fail, or answer without saying why', async () => {
  const archive = new MemoryArchive()
  const [block] = archive.addFixture(1_000_001)
  const api = await startApi(archive)
  const visible = fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
    maxLength: 80
  })
  const segment = fc.oneof(visible, fc.constantFrom('1000001', block?.blockId ?? '', '..', '%00', ''))
  const path = fc
    .tuple(fc.constantFrom('/v1/execution-data/', '/v1/blobs/', '/', '//'), segment, fc.option(visible))
    .map(([prefix, name, query]) => `${prefix}${name}${query === null ? '' : `?format=${query}`}`)
  await fc.assert(
    fc.asyncProperty(path, async (target) => {
      const answer = await ask(api, target)
      if (answer.status === 200) return
      assert.ok(answer.status >= 400 && answer.status < 500 && answer.json.error.message.length > 0)
    }),
    { numRuns: 300 }
  )
  await api.listener.stop()
})

test('the fixture itself is what the tests take it for', () => {
  assert.equal(fixtureBlocks().length, 72)
})
