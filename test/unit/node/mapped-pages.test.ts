import assert from 'node:assert/strict'
import { readFileSync, realpathSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { filePager } from '#src/node/mapped-pages.ts'
import { Database } from '#src/store/index.ts'

const here = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)
const ENTRIES = 20_000
const VALUE = new Uint8Array(200).fill(7)

const keyOf = (at: number): Uint8Array => Buffer.from(String(at).padStart(8, '0'), 'latin1')

/** Resident bytes of what is mapped of files in a directory. */
function mappedBytes(directory: string): number {
  const areas = readFileSync('/proc/self/smaps', 'latin1').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
  let bytes = 0
  for (const area of areas) {
    if (area.includes(` ${realpathSync(directory)}/`)) bytes += 1024 * Number(/^Rss:\s+(\d+) kB$/m.exec(area)?.[1])
  }
  return bytes
}

/** A database with tables on the disk, all of them read. */
async function filled(path: string): Promise<Database> {
  const database = await Database.open(path, { writeBufferBytes: 256 * 1024 })
  const space = database.space('test')
  for (let at = 0; at < ENTRIES; at += 1_000) {
    const operations = Array.from({ length: 1_000 }, (_, of) => ({
      type: 'put' as const,
      key: keyOf(at + of),
      value: VALUE
    }))
    await space.batch(operations, { sync: false })
  }
  await readAll(database)
  return database
}

async function readAll(database: Database): Promise<void> {
  let seen = 0
  for await (const [key, value] of database.space('test').entries({})) {
    assert.deepEqual([key, value], [Buffer.from(keyOf(seen)), Buffer.from(VALUE)])
    seen += 1
  }
  assert.equal(seen, ENTRIES)
}

describe('paging out what is mapped', () => {
  it('lets go of the tables of one directory, which read the same afterwards, and leaves others alone', async (t) => {
    if (!here) return
    const directory = await mkdtemp(join(tmpdir(), 'sealsync-mapped-'))
    t.after(() => rm(directory, { recursive: true }))
    const [path, other] = [join(directory, 'db'), join(directory, 'db', 'other')]
    await mkdir(path)
    await symlink(path, join(directory, 'link'))
    const [database, beside] = [await filled(path), await filled(other)]
    const [before, otherBefore] = [mappedBytes(path), mappedBytes(other)]
    assert.ok(
      before - otherBefore > 1_000_000 && otherBefore > 1_000_000,
      `${before} and ${otherBefore} bytes are mapped`
    )
    filePager(join(directory, 'link'), (cause) => assert.fail(String(cause)))()
    assert.equal(mappedBytes(path), otherBefore)
    assert.equal(mappedBytes(other), otherBefore)
    await readAll(database)
    assert.ok(mappedBytes(path) > otherBefore)
    await readAll(beside)
    await database.close()
    await beside.close()
  })

  it('says once where it cannot be done, and does not throw', () => {
    const missing: unknown[] = []
    const pageOut = filePager(join(tmpdir(), 'sealsync-that-is-not-there'), (cause) => missing.push(cause))
    pageOut()
    pageOut()
    assert.equal(missing.length, 1)
  })
})
