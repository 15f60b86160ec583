import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { chainBlockList, chainFixture, lastJson, sealsync, until } from '#test/support/node/cli.ts'
import { testNetwork } from '#test/support/node/test-network.ts'

const LAST = 1_000_071
const BLOCK = JSON.parse(readFileSync(chainBlockList, 'utf8').split('\n')[10] ?? '') as {
  readonly executionDataId: string
  readonly decodedSha256: string
}

interface Inspected {
  readonly block: unknown
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

describe('two nodes started by hand', () => {
  const network = testNetwork()

  it('sync with one another, survive kill -9 without fetching anything twice, and stop in order', async () => {
    await network.init({ execution: 'execution', access: 'access' })
    const accessDir = network.dataDir('access')
    const imported = await network.importChain<{ tracked: number; reasons: string[] }>('execution')
    assert.deepEqual([imported.tracked, imported.reasons], [72, []])

    const execution = network.start('execution', ['--feed', `file:${chainBlockList}`, '--follow'])
    const accessArgs = ['--start-height', '1000000']
    const access = network.start('access', accessArgs)
    await until(
      access,
      async () =>
        (await access.status())?.heights.consecutive !== null &&
        ((await access.status())?.heights.consecutive ?? 0) >= 1_000_010
    )
    access.signal('SIGKILL')
    await access.ended()

    const again = network.start('access', accessArgs)
    await until(again, async () => (await again.status())?.heights.consecutive === LAST)
    const status = await again.status()
    assert.ok(status)
    assert.equal(status.run.refetched, 0)
    assert.ok(status.run.presentAtStart > 0)
    assert.equal(status.duplicateRatio, 0)
    assert.equal(status.connections, 1)

    // From the running node through its admin socket, then from the directory of the stopped one.
    const live = join(network.path, 'live')
    const stopped = join(network.path, 'stopped')
    const range = ['--from', '1000000', '--to', String(LAST)]
    lastJson(await sealsync(['export', '--data-dir', accessDir, ...range, '--out', live, '--json']))
    const inspect = ['inspect', BLOCK.executionDataId, '--data-dir', accessDir, '--json']
    const ofRunning = lastJson<Inspected>(await sealsync(inspect))
    assert.equal(sha256(JSON.stringify(ofRunning.block)), BLOCK.decodedSha256)
    assert.equal(
      lastJson<{ stopped: boolean }>(await sealsync(['stop', '--data-dir', accessDir, '--json'])).stopped,
      true
    )
    assert.equal(await again.ended(), 0)
    lastJson(await sealsync(['export', '--data-dir', accessDir, ...range, '--out', stopped, '--json']))
    assert.deepEqual(lastJson(await sealsync(inspect)), ofRunning)
    const unknown = await sealsync(['inspect', 'ab'.repeat(32), '--data-dir', accessDir])
    assert.deepEqual([unknown.code, unknown.stderr.trim().split('\n').length], [1, 1], unknown.stderr)
    for (const name of readdirSync(chainFixture).filter((file) => file.endsWith('.car'))) {
      const expected = readFileSync(join(chainFixture, name))
      assert.ok(expected.equals(readFileSync(join(live, name))), `live ${name}`)
      assert.ok(expected.equals(readFileSync(join(stopped, name))), `stopped ${name}`)
    }
    const offline = lastJson<{ running: boolean; heights: { consecutive: number } }>(
      await sealsync(['status', '--data-dir', accessDir, '--json'])
    )
    assert.deepEqual([offline.running, offline.heights.consecutive], [false, LAST])
    assert.equal(await execution.stop(), 0)
  })
})
