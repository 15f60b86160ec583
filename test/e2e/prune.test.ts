import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { defaultExecutionDataOptions, readCar } from '#src/execution-data/index.ts'
import { chainBlockList, chainFixture, lastJson, sealsync, until } from '#test/support/node/cli.ts'
import { testNetwork } from '#test/support/node/test-network.ts'

const FIRST = 1_000_000
const LAST = 1_000_071

interface Plan {
  readonly from: number
  readonly to: number
  readonly heights: number
  readonly blobs: number
}

interface PrunerState {
  readonly prunedTo: number
  readonly dirty: readonly string[]
}

interface PrunedStatus {
  readonly heights: { readonly lowest: number; readonly prunedTo: number; readonly consecutive: number }
  readonly pruner: PrunerState
}

interface Stats {
  readonly heights: { readonly lowest: number }
  readonly damaged: { readonly waitingForRepair: number }
}

/** Of a blob of the newest block, wherever it lies: what is last in a file may be nobody's any more. */
async function flipABit(folder: string): Promise<void> {
  const car = await readCar([readFileSync(join(chainFixture, `${LAST}.car`))], defaultExecutionDataOptions)
  for await (const { bytes } of car.blobs) {
    for (const path of readdirSync(folder).map((name) => join(folder, name))) {
      const segment = readFileSync(path)
      const at = segment.indexOf(bytes)
      if (at === -1) continue
      segment[at] = (segment[at] ?? 0) ^ 8
      writeFileSync(path, segment)
      return
    }
  }
  assert.fail('no blob of the newest block is in a segment')
}

describe('a node that prunes', () => {
  const network = testNetwork()

  it('keeps what retention says, prunes on a word while it runs and while it does not, and keeps every other bit', async () => {
    await network.init({ execution: 'execution', access: 'access' })
    const accessDir = network.dataDir('access')
    const list = `file:${chainBlockList}`
    await network.importChain('execution')
    network.start('execution', ['--feed', list, '--follow'])
    const args = ['--start-height', String(FIRST), '--retention', '30']
    const access = network.start('access', args)
    const statusOf = async (): Promise<PrunedStatus | undefined> => (await access.status()) as PrunedStatus | undefined
    await until(access, async () => (await statusOf())?.heights.prunedTo === LAST - 30)
    const address = access.addresses()
    assert.equal((await fetch(`http://${address?.api}/v1/execution-data/${FIRST + 5}`)).status, 404)

    const order = (words: readonly string[]) => sealsync(['prune', '--data-dir', accessDir, '--json', ...words])
    const plan = lastJson<Plan>(await order(['--below', String(LAST - 19), '--dry-run']))
    assert.deepEqual([plan.from, plan.to, plan.heights], [LAST - 29, LAST - 20, 10])
    assert.ok(plan.blobs >= 10)
    const tooHigh = await order(['--below', String(LAST + 5)])
    assert.deepEqual([tooHigh.code, /held/.test(tooHigh.stderr)], [1, true])
    const pruned = lastJson<PrunerState>(await order(['--below', String(LAST - 19)]))
    assert.equal(pruned.prunedTo, LAST - 20)
    assert.equal((await statusOf())?.heights.lowest, LAST - 19)
    await access.stop()

    const below = String(LAST - 9)
    assert.equal(lastJson<Plan>(await order(['--below', below, '--dry-run'])).heights, 10)
    assert.equal(lastJson<PrunerState>(await order(['--below', below])).prunedTo, LAST - 10)
    assert.equal(lastJson<PrunerState>(await order(['--retention', '5'])).prunedTo, LAST - 5)
    const out = join(network.path, 'out')
    const range = ['--from', String(LAST - 4), '--to', String(LAST)]
    lastJson(await sealsync(['export', '--data-dir', accessDir, ...range, '--out', out, '--json']))
    for (let height = LAST - 4; height <= LAST; height += 1) {
      const name = `${height}.car`
      assert.deepEqual(readFileSync(join(out, name)), readFileSync(join(chainFixture, name)), name)
    }
    assert.equal(existsSync(join(out, `${LAST - 5}.car`)), false)

    // A bit flips on the disk: the node finds it, and has a good copy from its peer.
    const db = (words: readonly string[]) => sealsync(['db', ...words, '--data-dir', accessDir, '--json'])
    assert.equal(lastJson<{ damaged: number }>(await db(['verify'])).damaged, 0)
    const stats = lastJson<Stats>(await db(['stats']))
    assert.deepEqual([stats.heights.lowest, stats.damaged.waitingForRepair], [LAST - 4, 0])
    await flipABit(join(accessDir, 'blobs'))
    const again = network.start('access', args)
    await until(again, async () => (await again.status()) !== undefined)
    // Whoever reads the blob first finds it: the verification, or the node that warms its cache.
    await db(['verify', '--rate', '0'])
    const metrics = await (await fetch(`http://${again.addresses()?.metrics}/metrics`)).text()
    assert.match(metrics, /^sealsync_store_damaged_blobs_total 1$/m)
    await until(again, async () => lastJson<Stats>(await db(['stats'])).damaged.waitingForRepair === 0)
    assert.equal(lastJson<{ damaged: number }>(await db(['verify', '--rate', '0'])).damaged, 0)
    for (let height = LAST - 4; height <= LAST; height += 1) {
      const car = await fetch(`http://${again.addresses()?.api}/v1/execution-data/${height}?format=car`)
      assert.deepEqual(Buffer.from(await car.arrayBuffer()), readFileSync(join(chainFixture, `${height}.car`)))
    }
  })
})
