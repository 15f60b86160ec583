import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AdminRoute, ApiError } from '#src/api/index.ts'
import { clientOf, createAdmin, freshDir } from './api-admin-support.ts'

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
