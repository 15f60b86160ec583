import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/logger.ts'
import {
  createStoreMetrics,
  Database,
  DataDirectory,
  nodeDisk,
  SCHEMA_VERSION,
  SegmentBlockstore
} from '#src/store/index.ts'
import { seededRng, systemClock } from '#src/util/index.ts'
import { randomBlob } from '#test/support/store/blockstore-suite.ts'

async function withFolder(test: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sealsync-dir-'))
  try {
    await test(join(folder, 'data'))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** A process that takes the directory, says `held` or the error's code, and keeps it until it is killed. */
function holder(path: string): ChildProcess {
  const script = `
    import { DataDirectory } from '#src/store/index.ts'
    try {
      await DataDirectory.open(${JSON.stringify(path)})
      process.stdout.write('held\\n')
      setInterval(() => undefined, 1000)
    } catch (error) {
      process.stdout.write(error.code + ' ' + error.details.pid + '\\n')
    }`
  return spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function firstLine(child: ChildProcess): Promise<string> {
  const [chunk] = (await once(child.stdout ?? process.stdin, 'data')) as [Buffer]
  return chunk.toString().trim()
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

void describe('data directory', () => {
  void it('is made with its folders, stamp and modes, and left unlocked', () =>
    withFolder(async (path) => {
      const directory = await DataDirectory.open(path)
      assert.deepEqual((await readdir(path)).sort(), ['LOCK', 'VERSION', 'blobs', 'db', 'keys'])
      assert.equal((await stat(directory.keysPath)).mode & 0o777, 0o700)
      assert.equal(await readFile(join(path, 'VERSION'), 'utf8'), `${SCHEMA_VERSION}\n`)
      assert.equal(await readFile(join(path, 'LOCK'), 'utf8'), `${process.pid}\n`)
      assert.equal(directory.uncleanOwner, undefined)
      await directory.close()
      await directory.close()
      assert.equal((await readdir(path)).includes('LOCK'), false)
      const again = await DataDirectory.open(path)
      assert.equal(again.uncleanOwner, undefined)
      await again.close()
    }))

  void it('is refused to a second one in this process', () =>
    withFolder(async (path) => {
      const directory = await DataDirectory.open(path)
      await assert.rejects(DataDirectory.open(path), {
        code: 'locked',
        details: { path, pid: process.pid },
        message: /in use by another process \(pid \d+\).*--data-dir/
      })
      await directory.close()
    }))

  void it('goes to one of several processes, and to the next when that one is killed', { timeout: 60_000 }, () =>
    withFolder(async (path) => {
      const children = [holder(path), holder(path), holder(path)]
      try {
        const said = await Promise.all(children.map(firstLine))
        assert.equal(said.filter((line) => line === 'held').length, 1, said.join())
        assert.equal(said.filter((line) => line.startsWith('locked')).length, 2, said.join())
        await assert.rejects(DataDirectory.open(path), { code: 'locked' })
        const owner = children[said.indexOf('held')]
        if (owner !== undefined) await kill(owner)
        const directory = await DataDirectory.open(path)
        assert.deepEqual(directory.uncleanOwner, { pid: owner?.pid })
        await directory.close()
      } finally {
        await Promise.all(children.map(kill))
      }
    })
  )

  void it('is refused when a newer release wrote it, and left as it is', () =>
    withFolder(async (path) => {
      await mkdir(path)
      await writeFile(join(path, 'VERSION'), `${SCHEMA_VERSION + 1}\n`)
      await assert.rejects(DataDirectory.open(path), {
        code: 'newer-version',
        details: { found: SCHEMA_VERSION + 1, known: SCHEMA_VERSION }
      })
      assert.deepEqual(await readdir(path), ['VERSION'])
      for (const stamp of ['', 'one', '0', '-1', '1.5', 'x'.repeat(100)]) {
        await writeFile(join(path, 'VERSION'), stamp)
        await assert.rejects(DataDirectory.open(path), { code: 'corrupt' }, stamp)
      }
    }))

  void it('brings an older directory up to date, once, and refuses one that nothing leads from', () =>
    withFolder(async (path) => {
      await (await DataDirectory.open(path)).close()
      await writeFile(join(path, 'VERSION'), `${SCHEMA_VERSION - 1}\n`)
      await assert.rejects(DataDirectory.open(path), { code: 'old-version' })
      let runs = 0
      const failing = { to: SCHEMA_VERSION, run: () => Promise.reject(new Error('killed')) }
      await assert.rejects(DataDirectory.open(path, { migrations: [failing] }), /killed/)
      const working = {
        to: SCHEMA_VERSION,
        run: async () => {
          runs += 1
        }
      }
      for (let time = 0; time < 2; time += 1) await (await DataDirectory.open(path, { migrations: [working] })).close()
      assert.equal(runs, 1)
      assert.equal(await readFile(join(path, 'VERSION'), 'utf8'), `${SCHEMA_VERSION}\n`)
    }))

  void it('says when the database is damaged, or the path is no folder', () =>
    withFolder(async (path) => {
      const directory = await DataDirectory.open(path)
      const operation = { type: 'put', key: Uint8Array.of(1), value: Uint8Array.of(1) } as const
      await directory.database.space('x').batch([operation], { sync: true })
      await directory.close()
      await assert.rejects(directory.database.space('x').get(Uint8Array.of(1)), { code: 'closed' })
      await writeFile(join(path, 'db', 'CURRENT'), 'MANIFEST-999999\n')
      await assert.rejects(Database.open(join(path, 'db')), { code: 'corrupt' })
      await assert.rejects(DataDirectory.open(path), { code: 'corrupt' })
      await writeFile(join(path, 'file'), '')
      await assert.rejects(DataDirectory.open(join(path, 'file')), { code: 'io' })
    }))

  void it('keeps blobs over a restart, also when the database is lost', () =>
    withFolder(async (path) => {
      const metrics = createStoreMetrics(new Registry())
      const openStore = async (directory: DataDirectory): Promise<SegmentBlockstore> => {
        const index = directory.database.space('blobs')
        const components = { disk: nodeDisk, index, clock: systemClock, rng: seededRng(3), log: silentLogger, metrics }
        return SegmentBlockstore.open(components, { directory: directory.blobsPath, segmentBytes: 300_000 })
      }
      const blobs = Array.from({ length: 60 }, (_, at) => randomBlob(at, 1_000 * at))
      let directory = await DataDirectory.open(path)
      let store = await openStore(directory)
      await Promise.all(blobs.map((blob) => store.put(blob)))
      for (const step of ['restart', 'database lost'] as const) {
        await store.close()
        await directory.close()
        if (step === 'database lost') await rm(join(path, 'db'), { recursive: true })
        directory = await DataDirectory.open(path)
        store = await openStore(directory)
        for (const blob of blobs) assert.deepEqual((await store.get(blob.cid))?.bytes, blob.bytes)
        assert.equal(store.stats().count, 60)
      }
      await store.close()
      await directory.close()
    }))
})
