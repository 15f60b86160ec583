import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { type AdminRoute, type ApiError, EXPORT_PAGE_BLOCKS, type ExportPage } from '#src/api/index.ts'
import type { BlockId, ExecutionDataId } from '#src/model/index.ts'
import { AppError, concatBytes } from '#src/util/index.ts'
import { clientOf, createAdmin, freshDir, startNode } from './api-admin-support.ts'
import { ask, fixtureCar, until, valueOf } from './api-support.ts'

test('status, peers, log level and stop', async () => {
  const node = await startNode()
  const { client } = node
  assert.deepEqual(await client.getJson('/status'), { role: 'access' })
  assert.deepEqual(await client.getJson('/peers'), { peers: [] })
  assert.deepEqual(await client.postJson('/log-level', { level: 'debug' }), { level: 'debug', room: null })
  assert.deepEqual(await client.postJson('/log-level', { level: 'warn', room: 'exchange' }), {
    level: 'warn',
    room: 'exchange'
  })
  for (const body of [{}, null, 7, { level: 'loud' }, { level: 'info', room: 7 }, { level: 'info', room: 'kitchen' }]) {
    await assert.rejects(client.postJson('/log-level', body), (error: ApiError) => {
      assert.equal(error.code, 'refused')
      assert.equal(error.details['code'], 'bad-json')
      assert.equal(error.details['status'], 400)
      return true
    })
  }
  assert.deepEqual(await client.postJson('/stop', {}), { stopping: true })
  await until(() => node.calls.includes('stop'))
  assert.deepEqual(node.calls.slice(0, 2), [
    ['debug', undefined],
    ['warn', 'exchange']
  ])
  await node.stop()
  await assert.rejects(clientOf(node.dataDir), { code: 'not-running' })
  assert.deepEqual(readdirSync(node.dataDir), [])
})

test('the socket is for its owner alone, whatever the mask, and browsers are refused', async () => {
  const mask = process.umask(0)
  const node = await startNode()
  assert.equal(process.umask(mask), 0, 'the mask is as it was')
  assert.equal(node.socketPath, join(node.dataDir, 'admin.sock'))
  assert.equal(statSync(node.socketPath).mode & 0o777, 0o600)
  const refused = await ask(node, '/status', { headers: { Origin: 'https://evil.example' } })
  assert.equal(refused.status, 403)
  assert.equal(refused.json.error.code, 'origin-refused')
  const post = await ask(node, '/stop', { method: 'POST', headers: { Origin: 'null' }, body: '{}' })
  assert.equal(post.status, 403)
  assert.deepEqual(node.calls, [])
  assert.equal((await ask(node, '/stop')).status, 405)
  assert.equal((await ask(node, '/ingest', { method: 'POST' })).status, 404, 'no such route but at execution nodes')
  await node.stop()
})

test('export gives the very CAR, height by height, and lists what a range has', async () => {
  const node = await startNode()
  const blocks = node.archive.addFixture(1_000_000, 1_000_001, 1_000_010)
  const query = { from: 999_990, to: 1_000_009 }
  const page = (await node.client.getJson('/export', { query })) as ExportPage
  assert.deepEqual(page, { blocks: blocks.slice(0, 2), next: null })
  for (const { height } of blocks) {
    const parts: Uint8Array[] = []
    for await (const part of node.client.stream('/export', { query: { height } })) parts.push(part)
    assert.ok(Buffer.from(concatBytes(parts)).equals(fixtureCar(height)))
  }
  const cases: readonly (readonly [Record<string, string | number>, number, string])[] = [
    [{}, 400, 'bad-height'],
    [{ from: 1 }, 400, 'bad-height'],
    [{ from: 5, to: 4 }, 400, 'bad-height'],
    [{ height: 'five' }, 400, 'bad-height'],
    [{ height: 1_000_002 }, 503, 'not-available'],
    [{ height: 2_000_000 }, 404, 'unknown-height']
  ]
  for (const [wrong, status, code] of cases) {
    await assert.rejects(node.client.getJson('/export', { query: wrong }), (error: ApiError) => {
      assert.deepEqual([error.code, error.details['status'], error.details['code']], ['refused', status, code])
      return true
    })
  }
  await node.stop()
})

test('a long range is listed in pages', async () => {
  const node = await startNode()
  const id = 'a'.repeat(64)
  for (let height = 1; height <= EXPORT_PAGE_BLOCKS + 1; height += 1) {
    const block = { height, blockId: id as BlockId, executionDataId: id as ExecutionDataId, trackedAtMs: 0 }
    node.archive.blocksByHeight.set(height, block)
  }
  const first = (await node.client.getJson('/export', { query: { from: 0, to: 5_000 } })) as ExportPage
  assert.equal(first.blocks.length, EXPORT_PAGE_BLOCKS)
  assert.equal(first.next, EXPORT_PAGE_BLOCKS + 1)
  const second = (await node.client.getJson('/export', { query: { from: first.next ?? 0, to: 5_000 } })) as ExportPage
  assert.deepEqual([second.blocks.length, second.next], [1, null])
  await node.stop()
})

test('an export that fails half way is never a short file', async () => {
  const node = await startNode()
  node.archive.addFixture(1_000_000)
  node.archive.before = async (index) => {
    if (index === 1) throw new Error('bit rot')
  }
  const read = async (): Promise<void> => {
    for await (const _ of node.client.stream('/export', { query: { height: 1_000_000 } }));
  }
  await assert.rejects(read(), { code: 'connection-lost' })
  await node.stop()
})

const ids = { height: 7, blockId: 'b'.repeat(64), executionDataId: 'c'.repeat(64) }
const MIB = 1_048_576

async function* megabytes(count: number, sent?: () => void): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < count; at += 1) {
    sent?.()
    yield Buffer.alloc(MIB, at)
  }
}

test('ingest takes a body of any length at the pace of its reader', async () => {
  const gate = Promise.withResolvers<void>()
  const node = await startNode({
    ingest: async (block, car) => {
      let bytes = 0
      for await (const part of car) {
        if (bytes === 0) await gate.promise
        bytes += part.length
      }
      return { block, bytes }
    }
  })
  let sent = 0
  const done = node.client.postStream(
    '/ingest',
    megabytes(48, () => (sent += 1)),
    { query: ids }
  )
  await until(() => sent > 0)
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.ok(sent < 24, `${sent} MiB were taken from the sender while the reader stood still`)
  gate.resolve()
  assert.deepEqual(await done, { block: ids, bytes: 48 * MIB })
  await node.stop()
})

test('ingest that is refused half way tells the reason, and its errors keep their code', async () => {
  const node = await startNode({
    ingest: async (_, car) => {
      for await (const part of car) throw new AppError('malformed-car', `no CAR begins with ${part[0]}`)
      return {}
    }
  })
  await assert.rejects(node.client.postStream('/ingest', megabytes(64), { query: ids }), (error: ApiError) => {
    assert.deepEqual([error.code, error.details['status'], error.details['code']], ['refused', 422, 'malformed-car'])
    assert.equal(error.message, 'no CAR begins with 0')
    return true
  })
  for (const [key, code] of [
    ['height', 'bad-height'],
    ['blockId', 'bad-block-id'],
    ['executionDataId', 'bad-request']
  ] as const) {
    const answer = node.client.postStream('/ingest', megabytes(64), { query: { ...ids, [key]: 'x' } })
    await assert.rejects(answer, (error: ApiError) => error.details['code'] === code)
  }
  const twice = await ask(node, '/ingest?height=1&height=2', { method: 'POST' })
  assert.equal(twice.json.error.code, 'bad-request')
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(0)
    throw new RangeError('the file cannot be read')
  }
  await assert.rejects(node.client.postStream('/ingest', broken(), { query: ids }), {
    message: 'the file cannot be read'
  })
  await node.stop()
})

test('a client that sends its whole body before it reads still gets to read why it was refused', async () => {
  const node = await startNode({
    ingest: async (_, car) => {
      for await (const part of car) throw new AppError('malformed-car', `no CAR begins with ${part[0]}`)
      return {}
    }
  })
  const head = `POST /ingest?${new URLSearchParams({ ...ids, height: '7' })} HTTP/1.1\r\nHost: x\r\nContent-Length: ${4 * MIB}\r\n\r\n`
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(node.socketPath)
    socket.on('error', reject)
    socket.pause()
    socket.write(head)
    socket.write(Buffer.alloc(4 * MIB), () => {
      socket.once('data', (part) => {
        resolve(part.toString())
        socket.destroy()
      })
      socket.resume()
    })
  })
  assert.match(answer, /^HTTP\/1\.1 422 /)
  await node.stop()
})

test('JSON bodies are bounded, must be JSON, and must keep arriving', async () => {
  const node = await startNode({}, { maxJsonBytes: 1000, bodyDeadlineMs: 100 })
  const post = { method: 'POST' }
  const large = JSON.stringify({ level: 'x'.repeat(2000) })
  assert.equal((await ask(node, '/log-level', { ...post, body: large })).status, 413)
  const chunked = { ...post, headers: { 'Transfer-Encoding': 'chunked' }, body: large }
  assert.equal((await ask(node, '/log-level', chunked)).json.error.code, 'body-too-large')
  assert.equal((await ask(node, '/log-level', { ...post, body: '{' })).json.error.code, 'bad-json')
  assert.equal((await ask(node, '/log-level', { ...post, body: '\u00ff' })).json.error.code, 'bad-json')
  const slow = await new Promise<string>((resolve) => {
    let text = ''
    const socket = connect(node.socketPath, () =>
      socket.write('POST /log-level HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"le')
    )
    socket.on('data', (part) => {
      text += part
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
  assert.match(slow, /^HTTP\/1\.1 408 /)
  await node.stop()
})

test('the client bounds what it takes and how long it waits', async () => {
  const never: AdminRoute = {
    name: 'never',
    method: 'GET',
    path: '/never',
    handle: ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
  }
  const large: AdminRoute = {
    name: 'large',
    method: 'GET',
    path: '/large',
    handle: async () => ({ json: 'x'.repeat(5000) })
  }
  const text: AdminRoute = {
    name: 'text',
    method: 'GET',
    path: '/text',
    handle: async () => ({ stream: megabytes(1), contentType: 'text/plain' })
  }
  const fault: AdminRoute = {
    name: 'fault',
    method: 'GET',
    path: '/fault',
    handle: async () => {
      throw new TypeError('x is not a function')
    }
  }
  const dataDir = freshDir()
  const admin = createAdmin(dataDir, [never, large, text, fault])
  await admin.listener.start()
  const client = await clientOf(dataDir, { timeoutMs: 100, maxAnswerBytes: 1000 })
  await assert.rejects(client.getJson('/never'), { code: 'timeout' })
  await until(async () => (await valueOf(admin.register, 'sealsync_api_in_flight_requests')) === 0)
  const reason = new Error('enough')
  await assert.rejects(client.getJson('/never', { signal: AbortSignal.abort(reason) }), reason)
  await assert.rejects(client.getJson('/large'), { code: 'bad-answer' })
  await assert.rejects((await clientOf(dataDir)).getJson('/text'), { code: 'bad-answer' })
  await assert.rejects(client.getJson('/fault'), (error: ApiError) => error.details['status'] === 500)
  await assert.rejects(client.getJson('/none'), (error: ApiError) => error.details['code'] === 'not-found')
  for await (const _ of client.stream('/text')) break
  await until(async () => (await valueOf(admin.register, 'sealsync_api_connections')) === 0)
  await admin.listener.stop()
})

test('two routes for one request are refused', async () => {
  const route: AdminRoute = { name: 'a', method: 'GET', path: '/a/:x', handle: async () => ({ json: 1 }) }
  assert.throws(() => createAdmin(freshDir(), [route, { ...route, path: '/a/:y' }]), RangeError)
})
