import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Registry } from 'prom-client'
import {
  AdminClient,
  AdminListener,
  type AdminPorts,
  type AdminRoute,
  ApiError,
  createAdminRoutes,
  createApiMetrics,
  defaultApiOptions,
  EXPORT_PAGE_BLOCKS,
  type ExportPage
} from '#src/api/index.ts'
import type { BlockId, ExecutionDataId } from '#src/model/index.ts'
import { AppError, concatBytes, systemClock } from '#src/util/index.ts'
import { ask, fixtureCar, MemoryArchive, recordingLogger, startApi, until, valueOf } from './api-support.ts'

const root = mkdtempSync(join(tmpdir(), 'sealsync-test-'))
after(() => rmSync(root, { recursive: true, force: true }))
let directories = 0

function freshDir(): string {
  directories += 1
  const dir = join(root, String(directories))
  mkdirSync(dir)
  return dir
}

type Options = Partial<typeof defaultApiOptions.admin> & { readonly fallbackDir?: string }

function createAdmin(dataDir: string, routes: readonly AdminRoute[], options: Options = {}) {
  const register = new Registry()
  const metrics = createApiMetrics(register)
  const listener = new AdminListener(
    { clock: systemClock, logger: recordingLogger([]), metrics, routes },
    { ...defaultApiOptions.admin, dataDir, fallbackDir: root, stopDeadlineMs: 300, ...options }
  )
  return { listener, register }
}

const clientOf = (dataDir: string, options = defaultApiOptions.client): Promise<AdminClient> =>
  AdminClient.connect(dataDir, { clock: systemClock }, options)

/** A running admin listener with the routes of a node over an archive. */
async function startNode(ports: Partial<AdminPorts> = {}, options: Options = {}) {
  const archive = new MemoryArchive()
  const api = await startApi(archive)
  const calls: unknown[] = []
  const all: AdminPorts = {
    status: async () => ({ role: 'access' }),
    peers: async () => ({ peers: [] }),
    setLogLevel: (level, room) => {
      calls.push([level, room])
      return room !== 'kitchen'
    },
    stop: () => calls.push('stop'),
    tracker: archive.tracker,
    reader: api.reader,
    ...ports
  }
  const dataDir = freshDir()
  const admin = createAdmin(dataDir, createAdminRoutes(all), options)
  await admin.listener.start()
  const client = await clientOf(dataDir)
  const stop = async (): Promise<void> => {
    await admin.listener.stop()
    await api.listener.stop()
  }
  return { archive, api, dataDir, client, calls, stop, ...admin, socketPath: admin.listener.path ?? '' }
}

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
    const block = { height, blockId: id as BlockId, executionDataId: id as ExecutionDataId }
    node.archive.blocks.set(height, block)
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

/** Leaves a socket file as a process that was killed leaves it. */
async function leaveStaleSocket(path: string): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  const child = spawn(process.execPath, ['-e', script], { stdio: 'inherit' })
  await new Promise((resolve) => child.once('exit', resolve))
  assert.ok(statSync(path).isSocket())
}

test('the socket of a dead process is replaced; a live one, or what is no socket, is left alone', async () => {
  const dataDir = freshDir()
  await leaveStaleSocket(join(dataDir, 'admin.sock'))
  await assert.rejects(clientOf(dataDir), { code: 'not-running' })
  const first = createAdmin(dataDir, [])
  await first.listener.start()
  const second = createAdmin(dataDir, [])
  await assert.rejects(second.listener.start(), (error: ApiError) => {
    assert.equal(error.code, 'socket-in-use')
    assert.equal(error.details['path'], join(dataDir, 'admin.sock'))
    return true
  })
  await second.listener.stop()
  assert.equal((await clientOf(dataDir)).socketPath, first.listener.path, 'the first is still there')
  await first.listener.stop()

  const other = freshDir()
  writeFileSync(join(other, 'admin.sock'), 'precious')
  await assert.rejects(createAdmin(other, []).listener.start(), { code: 'socket-path-taken' })
  assert.equal(readFileSync(join(other, 'admin.sock'), 'utf8'), 'precious')
})

test('a data directory whose path is too long has its socket elsewhere, and clients find it', async () => {
  const dataDir = join(freshDir(), 'd'.repeat(120))
  mkdirSync(dataDir)
  const fallbackDir = freshDir()
  const route: AdminRoute = {
    name: 'echo',
    method: 'GET',
    path: '/echo/:word',
    handle: async ({ params }) => ({ json: params })
  }
  const admin = createAdmin(dataDir, [route], { fallbackDir })
  await admin.listener.start()
  const path = admin.listener.path ?? ''
  assert.ok(path.startsWith(`${fallbackDir}/sealsync-`))
  assert.ok(Buffer.byteLength(path) <= 107)
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  const pointer = join(dataDir, 'admin.json')
  assert.equal(statSync(pointer).mode & 0o777, 0o600)
  assert.deepEqual(await (await clientOf(dataDir)).getJson('/echo/hello'), { word: 'hello' })
  await assert.rejects(createAdmin(dataDir, [], { fallbackDir }).listener.start(), { code: 'socket-in-use' })
  await admin.listener.stop()
  assert.deepEqual([existsSync(path), existsSync(pointer), readdirSync(fallbackDir)], [false, false, []])

  // A process that died there leaves a socket, its directory and the file that names them.
  const left = join(fallbackDir, 'sealsync-abcdef')
  mkdirSync(left)
  await leaveStaleSocket(join(left, 'admin.sock'))
  writeFileSync(pointer, JSON.stringify({ socket: join(left, 'admin.sock'), pid: 1 }))
  await assert.rejects(clientOf(dataDir), { code: 'not-running' })
  const next = createAdmin(dataDir, [route], { fallbackDir })
  await next.listener.start()
  assert.equal(existsSync(left), false)
  assert.deepEqual(await (await clientOf(dataDir)).getJson('/echo/again'), { word: 'again' })
  await next.listener.stop()

  const nowhere = createAdmin(dataDir, [], { fallbackDir: join(fallbackDir, 'f'.repeat(120)) })
  await assert.rejects(nowhere.listener.start(), { code: 'socket-path-too-long' })
})

test('a pointer that is nonsense or names what is not a socket does no harm', async () => {
  const dataDir = freshDir()
  const victim = join(freshDir(), 'admin.sock')
  writeFileSync(victim, 'precious')
  for (const text of ['', '[]', 'null', '{"socket":7}', '{"socket":"relative/admin.sock"}', 'x'.repeat(10_000)]) {
    writeFileSync(join(dataDir, 'admin.json'), text)
    await assert.rejects(clientOf(dataDir), { code: 'not-running' })
    const { listener } = createAdmin(dataDir, [])
    await listener.start()
    await listener.stop()
    assert.deepEqual(readdirSync(dataDir), [])
  }
  writeFileSync(join(dataDir, 'admin.json'), JSON.stringify({ socket: victim }))
  await assert.rejects(createAdmin(dataDir, []).listener.start(), { code: 'socket-path-taken' })
  assert.equal(readFileSync(victim, 'utf8'), 'precious')
})

test('a missing data directory is a typed error', async () => {
  const dataDir = join(freshDir(), 'nowhere')
  await assert.rejects(createAdmin(dataDir, []).listener.start(), { code: 'listen-failed' })
  await assert.rejects(clientOf(dataDir), { code: 'not-running' })
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
