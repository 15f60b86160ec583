import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { join } from 'node:path'
import { open } from '#test/perf/benchmarks/open.ts'
import { storeRun } from '#test/perf/benchmarks/store-bench.ts'
import { KEEPERS } from '#test/perf/store/put.ts'
import { temporaryDirectory } from '#test/support/node/cli.ts'

const MIB = 1_048_576
const run = (name: string, settings: object) => storeRun(name, settings, undefined)

describe('benchmarks of the store', () => {
  const home = temporaryDirectory()
  after(() => home.remove())

  it('every contender keeps what it is given, and the figures of a run are there', async () => {
    const settings = { blobBytes: 65_536, group: 4, bytes: MIB, packages: home.path }
    for (const keeper of KEEPERS.filter((name) => name !== 'blockstore-fs')) {
      const figures = await run('contend', { ...settings, keeper })
      for (const name of ['putMBs', 'verifiedReadMBs', 'readMBs, bare loop', 'hashMBs', 'verifiedToSlower']) {
        assert.ok((figures[name] ?? 0) > 0, `${keeper}: ${name} is ${figures[name]}`)
      }
    }
  })

  it('blocks pass through a store that keeps the last thousand, and none that is kept is missing', async () => {
    const figures = await run('flat', { blocks: 1_200 })
    assert.equal(figures['missing'], 0)
    assert.ok((figures['rssMiB at 1,000'] ?? 0) > 0)
  })

  it('a filled store is opened beside an empty one, and a node is ready on a copy of it', async () => {
    const report = await open.run({ blocks: 50, rounds: 1 }, () => undefined)
    const [empty, full, copied] = report.contenders
    assert.deepEqual(
      [empty, full, copied].map((one) => one?.median['blobs']),
      [0, 150, 150]
    )
    assert.deepEqual(
      report.goals.map(({ name }) => name),
      ['openMs', 'MiB above an empty one', 'readyMs of a copy', 'blobs of a copy']
    )
  })

  it('keys are shed to the last while blobs are served whole and blocks come in', async () => {
    const settings = { dataDir: join(home.path, 'shed'), keys: 2_000, servedBlocks: 4, baselineMs: 1_000 }
    assert.equal((await run('prepareShed', settings))['keys'], 2_000)
    const figures = await run('shed', settings)
    assert.deepEqual([figures['left'], figures['before: wrong'], figures['during: wrong']], [0, 0, 0])
    assert.ok((figures['before: servedMBs'] ?? 0) + (figures['during: servedMBs'] ?? 0) > 0)
  })

  it('the disk gets back what was pruned', async () => {
    const figures = await run('space', { bytes: 160 * MIB, blobBytes: MIB })
    const { leftMB = 0, liveMB = 0 } = figures
    // What is dead up to 16 MiB is left alone, and the index has some MB.
    assert.ok(leftMB <= 1.1 * liveMB + 20, JSON.stringify(figures))
  })
})
