import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/index.ts'
import { type Blob, blobOf } from '#src/model/index.ts'
import { createStoreMetrics, DataDirectory, nodeDisk, SegmentBlockstore } from '#src/store/index.ts'
import { codeOf, seededRng, systemClock } from '#src/util/index.ts'
import {
  chainBlockList,
  chainFixture,
  freePort,
  lastJson,
  RunningNode,
  sealsync,
  temporaryDirectory,
  until
} from '#test/support/node/cli.ts'

const KIB = 1024
const MIB = 1024 * KIB
const FIRST = 1_000_000
const LAST = 1_000_071

const home = temporaryDirectory()
const mounted: string[] = []
const running: RunningNode[] = []
after(async () => {
  for (const node of running) await node.stop()
  for (const path of mounted) execFileSync('umount', ['-l', path])
  home.remove()
})

function mountSmall(path: string): void {
  mkdirSync(path)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'sealsync-test', path], { stdio: 'pipe' })
  mounted.push(path)
}

/** Why file systems cannot be mounted here; `false` when they can. */
function noMounts(): string | false {
  try {
    mountSmall(join(home.path, 'probe'))
    return false
  } catch (error) {
    return `needs the right to mount a tmpfs: ${String((error as { stderr?: unknown }).stderr ?? error).trim()}`
  }
}
const skip = noMounts()
const blobNumbered = (at: number): Blob => blobOf(Buffer.alloc(128 * KIB, `${at} `))

async function open(path: string) {
  const directory = await DataDirectory.open(path, { database: { writeBufferBytes: 256 * KIB } })
  const store = await SegmentBlockstore.open(
    {
      disk: nodeDisk,
      index: directory.database.space('blobs'),
      clock: systemClock,
      rng: seededRng(1),
      log: silentLogger,
      metrics: createStoreMetrics(new Registry())
    },
    { directory: directory.blobsPath, segmentBytes: 2 * MIB, minSegmentBytes: MIB, compactSlackBytes: MIB }
  )
  return {
    store,
    close: async (): Promise<void> => {
      await store.close()
      await directory.close()
    }
  }
}

describe('a store on a disk of its own', { skip }, () => {
  it('that is full refuses what is new, loses nothing that it had acknowledged, and goes on when there is room', async () => {
    const path = join(home.path, 'full')
    mountSmall(path)
    const reserve = join(path, 'reserve')
    writeFileSync(reserve, Buffer.alloc(3 * MIB))
    let { store, close } = await open(join(path, 'data'))
    const kept: Blob[] = []
    let refused: unknown
    for (let at = 0; refused === undefined; at += 1) {
      assert.ok(at < 200, 'the disk never filled')
      const blobs = [blobNumbered(2 * at), blobNumbered(2 * at + 1)]
      refused = await store.putMany(blobs).then(
        () => void kept.push(...blobs),
        (error: unknown) => error
      )
    }
    assert.equal(codeOf(refused), 'disk-full')
    assert.ok(kept.length > 20)
    const allThere = async (blobs: readonly Blob[]): Promise<void> => {
      for (const blob of blobs) {
        const stored = await store.get(blob.cid)
        assert.ok(stored !== undefined && Buffer.compare(stored.bytes, blob.bytes) === 0, String(blob.cid))
      }
    }
    await allThere(kept)
    // What the node holds back for this moment: the index can be written.
    rmSync(reserve)
    await close()
    ;({ store, close } = await open(join(path, 'data')))
    await allThere(kept)
    const half = kept.length >> 1
    await store.deleteMany(kept.slice(0, half).map(({ cid }) => cid))
    while ((await store.reclaim({ maxBytes: 512 * KIB })).more);
    const fresh = Array.from({ length: 8 }, (_, at) => blobNumbered(10_000 + at))
    for (const blob of fresh) await store.put(blob)
    await allThere([...kept.slice(half), ...fresh])
    await close()
  })

  it('that is mounted read-only is refused, by name, and left as it is', async () => {
    const path = join(home.path, 'read-only')
    mountSmall(path)
    const dataDir = join(path, 'data')
    lastJson(await sealsync(['init', '--data-dir', dataDir, '--role', 'access', '--address', '127.0.0.1:1', '--json']))
    await (await open(dataDir)).close()
    const before = statSync(join(dataDir, 'VERSION')).mtimeMs
    execFileSync('mount', ['-o', 'remount,ro', path])
    await assert.rejects(open(dataDir), { code: 'not-writable' })
    const refused = await sealsync(['db', 'stats', '--data-dir', dataDir])
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /^sealsync: [^\n]*(read-only|EROFS)[^\n]*\n$/i)
    assert.equal(statSync(join(dataDir, 'VERSION')).mtimeMs, before)
  })
})

describe('a node on its data', () => {
  const list = `file:${chainBlockList}`
  const imported = join(home.path, 'imported')
  const identities = join(home.path, 'identities.json')

  const start = (dataDir: string, args: readonly string[]): RunningNode => {
    const listeners = ['--metrics-address', '127.0.0.1:0', '--api-address', '127.0.0.1:0', '--log-format', 'json']
    const node = new RunningNode(dataDir, ['--identities', identities, '--feed', list, ...args, ...listeners])
    running.push(node)
    return node
  }
  const heights = async (node: RunningNode) => (await node.status().catch(() => undefined))?.heights
  const isServed = async (node: RunningNode, height: number): Promise<boolean> => {
    const answer = await fetch(`http://${node.addresses()?.api}/v1/execution-data/${height}?format=car`)
    return readFileSync(join(chainFixture, `${height}.car`)).equals(Buffer.from(await answer.arrayBuffer()))
  }

  it('is filled once for what follows', async () => {
    const address = `127.0.0.1:${await freePort()}`
    const words = ['--data-dir', imported, '--role', 'access', '--address', address]
    writeFileSync(identities, JSON.stringify([lastJson(await sealsync(['init', ...words, '--json']))]))
    lastJson(await sealsync(['import', '--data-dir', imported, '--feed', list, '--json', chainFixture]))
  })

  it('starts on a copy with another limit of memory, and serves every block', async () => {
    const copy = join(home.path, 'copy')
    cpSync(imported, copy, { recursive: true })
    const node = start(copy, ['--memory', '220MiB', '--preload-heights', '20'])
    await until(node, async () => (await heights(node))?.consecutive === LAST)
    for (const height of [FIRST, FIRST + 30, LAST]) assert.equal(await isServed(node, height), true)
    assert.equal(await node.stop(), 0)
  })

  it('is killed again and again while it prunes, and keeps what it is to keep, whole', async () => {
    const pruned = join(home.path, 'pruned')
    cpSync(imported, pruned, { recursive: true })
    const retained = 20
    const slow = ['--retention', String(retained), '--prune-rate', '150KiB']
    let lowest = FIRST
    for (let kill = 0; kill < 3; kill += 1) {
      const node = start(pruned, slow)
      await until(node, async () => ((await heights(node))?.lowest ?? 0) > lowest)
      node.signal('SIGKILL')
      await node.ended()
      lowest += 1
    }
    const last = start(pruned, ['--retention', String(retained)])
    await until(last, async () => (await heights(last))?.lowest === LAST - retained + 1)
    for (let height = LAST - retained + 1; height <= LAST; height += 1) {
      assert.equal(await isServed(last, height), true, `height ${height}`)
    }
    assert.equal(await isServed(last, LAST - retained), false)
    assert.equal(await last.stop(), 0)
    const verified = lastJson<{ readonly damaged: number }>(
      await sealsync(['db', 'verify', '--data-dir', pruned, '--json'])
    )
    assert.equal(verified.damaged, 0)
  })
})
