import assert from 'node:assert/strict'
import { Agent, request as httpRequest } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import {
  ApiError,
  type Check,
  createApiMetrics,
  defaultApiOptions,
  MetricsListener,
  type MetricsListenerComponents
} from '#src/api/index.ts'
import { systemClock } from '#src/util/index.ts'
import { ask, rawExchange, recordingLogger, sendOnly, until, valueOf } from './api-support.ts'

type Options = Partial<typeof defaultApiOptions.metrics>

async function startMetrics(options: Options = {}) {
  const register = new Registry()
  const metrics = createApiMetrics(register)
  const lines: { level: string; fields: object; message: string }[] = []
  const state = {
    checks: [{ name: 'peers', ok: true, reason: '4 of 4' }] as Check[],
    started: true,
    stopping: false,
    status: (async () => ({ version: '1', big: 2n ** 60n })) as MetricsListenerComponents['status']
  }
  const listener = new MetricsListener(
    {
      clock: systemClock,
      logger: recordingLogger(lines),
      metrics,
      register,
      checks: () => state.checks,
      started: () => state.started,
      stopping: () => state.stopping,
      status: (call) => state.status(call)
    },
    { ...defaultApiOptions.metrics, port: 0, stopDeadlineMs: 300, ...options }
  )
  await listener.start()
  const port = listener.address?.port ?? 0
  return { listener, register, state, lines, port }
}

test('every route answers, and health follows the ports', async () => {
  const server = await startMetrics()
  const { state } = server
  assert.equal(server.listener.address?.host, '127.0.0.1')
  const page = await ask(server, '/')
  assert.match(page.headers['content-type'] ?? '', /^text\/html/)
  for (const [, path] of page.body.toString().matchAll(/href="([^"]+)"/g)) {
    assert.equal((await ask(server, path ?? '')).status, 200, path)
    const head = await ask(server, path ?? '', { method: 'HEAD' })
    assert.equal(head.status, 200)
    assert.equal(head.body.length, 0)
    const post = await ask(server, path ?? '', { method: 'POST' })
    assert.equal(post.status, 405)
    assert.equal(post.headers.allow, 'GET, HEAD')
  }
  assert.deepEqual((await ask(server, '/readyz')).json, { ready: true, checks: state.checks })
  assert.deepEqual((await ask(server, '/v1/status?watch=1')).json, { version: '1', big: '1152921504606846976' })

  state.checks = [...state.checks, { name: 'lag', ok: false, reason: '900 blocks behind' }]
  const unready = await ask(server, '/readyz')
  assert.equal(unready.status, 503)
  assert.deepEqual(unready.json, { ready: false, checks: state.checks })
  assert.equal(await valueOf(server.register, 'sealsync_api_check_ok', { check: 'lag' }), 0)
  state.checks = [{ name: 'lag', ok: true, reason: 'none' }]
  assert.match((await ask(server, '/metrics')).body.toString(), /^sealsync_api_check_ok\{check="lag"\} 1$/m)
  state.checks = []
  assert.equal((await ask(server, '/readyz')).status, 503, 'a node that checks nothing is not ready')

  state.started = false
  state.stopping = true
  assert.equal((await ask(server, '/startupz')).status, 503)
  assert.equal((await ask(server, '/livez')).status, 503)
  assert.equal((await ask(server, '/nothing')).json.error.code, 'not-found')
  assert.equal((await ask(server, '//evil.example/')).status, 404)
  await server.listener.stop()
})

test('metrics are the registry’s text, and each scrape is timed', async () => {
  const server = await startMetrics()
  const first = await ask(server, '/metrics')
  assert.equal(first.headers['content-type'], server.register.contentType)
  await ask(server, '/metrics')
  assert.match((await ask(server, '/metrics')).body.toString(), /^sealsync_api_scrape_duration_seconds_count 2$/m)
  // Paths that nobody serves make no series of their own.
  const series = async (): Promise<number> =>
    (await server.register.getMetricsAsJSON()).reduce((sum, { values }) => sum + values.length, 0)
  const before = await series()
  for (let at = 0; at < 50; at += 1) await ask(server, `/nothing/${at}`)
  await until(async () => (await valueOf(server.register, 'sealsync_api_requests_total', { route: 'none' })) === 50)
  assert.equal(await series(), before)
  await server.listener.stop()
})

test('scrapes beyond the bound are refused', async () => {
  const server = await startMetrics({ maxScrapes: 1 })
  const gate = Promise.withResolvers<void>()
  const render = server.register.metrics.bind(server.register)
  let rendering = 0
  server.register.metrics = async () => {
    rendering += 1
    await gate.promise
    return render()
  }
  const first = ask(server, '/metrics')
  await until(() => rendering === 1)
  const second = await ask(server, '/metrics')
  assert.equal(second.status, 429)
  assert.equal(second.json.error.code, 'too-many-scrapes')
  gate.resolve()
  assert.equal((await first).status, 200)
  await server.listener.stop()
})

test('a fault inside is 500 without its text, which the log has', async () => {
  const server = await startMetrics()
  server.state.status = async () => {
    throw new Error('secret of the house')
  }
  const answer = await ask(server, '/v1/status')
  assert.equal(answer.status, 500)
  assert.equal(answer.json.error.code, 'internal')
  assert.ok(!answer.body.includes('secret'))
  assert.ok(server.lines.some(({ level, fields }) => level === 'error' && JSON.stringify(fields).includes('secret')))
  await server.listener.stop()
})

test('a port in use is a typed error that names the flag', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as { port: number }
  await assert.rejects(startMetrics({ port }), (error: unknown) => {
    assert.ok(error instanceof ApiError)
    assert.equal(error.code, 'address-in-use')
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port} .*--metrics-address`))
    assert.deepEqual(error.details, { address: `127.0.0.1:${port}`, flag: '--metrics-address' })
    return true
  })
  await new Promise((resolve) => taken.close(resolve))
  // 192.0.2.0/24 is for documentation: no machine has it.
  await assert.rejects(startMetrics({ host: '192.0.2.1' }), { code: 'address-unavailable' })
})

test('bytes that make no request, or too large a one, are answered and the connection is closed', async () => {
  const server = await startMetrics({ headersTimeoutMs: 200, requestTimeoutMs: 400 })
  const huge = 'x'.repeat(20_000)
  const cases: readonly (readonly [text: string, status: number, reason: string])[] = [
    [`GET / HTTP/1.1\r\nHost: localhost\r\nX-Huge: ${huge}\r\n\r\n`, 431, 'headers-too-large'],
    [`GET /${huge} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 431, 'headers-too-large'],
    ['\u0016\u0003\u0001 hello, TLS?\r\n\r\n', 400, 'malformed'],
    ['GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400, 'malformed'],
    // Headers that never end, and a body that never comes.
    ['GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ', 408, 'timeout']
  ]
  for (const [text, status, reason] of cases) {
    const before = await valueOf(server.register, 'sealsync_api_protocol_faults_total', { reason })
    const answer = await rawExchange(server.port, text)
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), text.slice(0, 60))
    assert.match(answer, /\{"error":\{"code":"[a-z-]+","message":"[^"]+"\}\}\n$/)
    assert.equal(await valueOf(server.register, 'sealsync_api_protocol_faults_total', { reason }), before + 1)
  }
  assert.equal((await ask(server, `/${'x'.repeat(4000)}`)).json.error.code, 'uri-too-long')
  const withBody = await ask(server, '/', { method: 'GET', headers: { 'Content-Length': '4' }, body: 'body' })
  assert.equal(withBody.json.error.code, 'unexpected-body')
  const absolute = await rawExchange(
    server.port,
    'GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
  )
  assert.match(absolute, /^HTTP\/1\.1 400 /)
  await until(async () => (await valueOf(server.register, 'sealsync_api_connections')) === 0)
  await server.listener.stop()
})

test('garbage behind a request that is being answered ends the connection, with nothing written in between', async () => {
  const server = await startMetrics()
  server.state.status = ({ signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  const received = await rawExchange(
    server.port,
    'GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n\u0000garbage\r\n\r\n'
  )
  assert.equal(received, '')
  await until(async () => (await valueOf(server.register, 'sealsync_api_in_flight_requests')) === 0)
  assert.equal(await valueOf(server.register, 'sealsync_api_protocol_faults_total', { reason: 'malformed' }), 1)
  await server.listener.stop()
})

test('connections beyond the bound are closed at once and counted', async () => {
  const server = await startMetrics({ maxConnections: 2 })
  const held: Socket[] = []
  for (let at = 0; at < 2; at += 1) held.push(await sendOnly(server.port, 'GET /livez HTTP/1.1\r\n'))
  await until(async () => (await valueOf(server.register, 'sealsync_api_connections')) === 2)
  assert.equal(await rawExchange(server.port, 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n'), '')
  assert.equal(await valueOf(server.register, 'sealsync_api_connections_dropped_total'), 1)
  for (const socket of held) socket.destroy()
  await until(async () => (await valueOf(server.register, 'sealsync_api_connections')) === 0)
  assert.equal((await ask(server, '/livez')).status, 200)
  await server.listener.stop()
})

test('pipelined requests are answered in order, one at a time, and count against the bound in flight', async () => {
  const server = await startMetrics({ maxInFlight: 3 })
  const gate = Promise.withResolvers<void>()
  let running = 0
  let most = 0
  server.state.status = async () => {
    running += 1
    most = Math.max(most, running)
    await gate.promise
    running -= 1
    return {}
  }
  const status = 'GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const last = 'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
  const answers = rawExchange(server.port, status.repeat(4) + last)
  await until(async () => (await valueOf(server.register, 'sealsync_api_in_flight_requests')) === 5)
  gate.resolve()
  const codes = [...(await answers).matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, code]) => code)
  assert.deepEqual(codes, ['200', '200', '200', '503', '503'])
  assert.equal(most, 1)
  await server.listener.stop()
})

test('stop lets a running request end, closes idle connections and accepts no more', async () => {
  const server = await startMetrics({ stopDeadlineMs: 10_000 })
  const gate = Promise.withResolvers<void>()
  let running = false
  server.state.status = async () => {
    running = true
    await gate.promise
    return { done: true }
  }
  const agent = new Agent({ keepAlive: true })
  await new Promise<void>((resolve) => {
    const request = httpRequest({ host: '127.0.0.1', port: server.port, path: '/livez', agent }, (answer) => {
      answer.resume()
      answer.once('end', () => resolve())
    })
    request.end()
  })
  const halfSent = await sendOnly(server.port, 'GET /livez HTTP/1.1\r\n')
  halfSent.on('error', () => {})
  const last = ask(server, '/v1/status')
  await until(() => running)
  const stopped = server.listener.stop()
  assert.equal(server.listener.stop(), stopped)
  await assert.rejects(ask(server, '/livez'), { code: 'ECONNREFUSED' })
  gate.resolve()
  assert.deepEqual((await last).json, { done: true })
  await stopped
  assert.equal(await valueOf(server.register, 'sealsync_api_connections'), 0)
  agent.destroy()
  halfSent.destroy()
})

test('a request that comes on an open connection while the listener stops is refused', async () => {
  const server = await startMetrics({ stopDeadlineMs: 10_000 })
  const gate = Promise.withResolvers<void>()
  let running = false
  server.state.status = async () => {
    running = true
    await gate.promise
    return { done: true }
  }
  const socket = connect(server.port, '127.0.0.1')
  let received = ''
  socket.on('data', (part) => {
    received += part
  })
  socket.write('GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until(() => running)
  const stopped = server.listener.stop()
  socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until(async () => (await valueOf(server.register, 'sealsync_api_in_flight_requests')) === 2)
  gate.resolve()
  await stopped
  await until(() => socket.destroyed)
  assert.match(received, /^HTTP\/1\.1 200 [^]*\{"done":true\}[^]*HTTP\/1\.1 503 [^]*"code":"stopping"/)
})

test('stop cuts what does not end within the deadline, and tells it so', async () => {
  const server = await startMetrics({ stopDeadlineMs: 50 })
  let reason: unknown
  let running = false
  server.state.status = ({ signal }) =>
    new Promise((_, reject) => {
      running = true
      signal.addEventListener('abort', () => {
        reason = signal.reason
        reject(signal.reason)
      })
    })
  const cut = ask(server, '/v1/status').catch((error: unknown) => error)
  await until(() => running)
  await server.listener.stop()
  assert.equal((reason as ApiError).code, 'stopping')
  assert.equal(((await cut) as { code?: string }).code, 'ECONNRESET')
  assert.equal(await valueOf(server.register, 'sealsync_api_answers_cut_total', { reason: 'stopped' }), 1)
})

test('stop before start does nothing, and a listener that was reset by its client goes on', async () => {
  const register = new Registry()
  const unused = new MetricsListener(
    {
      clock: systemClock,
      logger: recordingLogger([]),
      metrics: createApiMetrics(register),
      register,
      checks: () => [],
      started: () => false,
      stopping: () => false,
      status: async () => ({})
    },
    { ...defaultApiOptions.metrics, port: 0 }
  )
  await unused.stop()
  assert.equal(unused.address, undefined)

  const server = await startMetrics()
  await new Promise<void>((resolve) => {
    const socket = connect(server.port, '127.0.0.1', () => {
      socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\nGET /metr', () => {
        socket.resetAndDestroy()
        resolve()
      })
    })
  })
  assert.equal((await ask(server, '/livez')).status, 200)
  await until(async () => (await valueOf(server.register, 'sealsync_api_connections')) === 0)
  await server.listener.stop()
})
