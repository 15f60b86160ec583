// A node that takes its blocks from a server that speaks Flow's Access API, and their data from an execution node.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { AccessServer } from '#test/support/feed/access-server.ts'
import {
  chainBlockList,
  chainFixture,
  freePort,
  lastJson,
  RunningNode,
  temporaryDirectory,
  until
} from '#test/support/node/cli.ts'
import { command } from '#test/support/node/command.ts'

const FIRST = 1_000_000

interface ListedBlock {
  readonly height: number
  readonly blockId: string
  readonly executionDataId: string
}

describe('run --feed flow-access', () => {
  const home = temporaryDirectory()
  const running: RunningNode[] = []
  const blocks = readFileSync(chainBlockList, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ListedBlock)
  const server = new AccessServer({
    blockId: (height) => blocks[height - FIRST]?.blockId,
    executionDataId: (height) => blocks[height - FIRST]?.executionDataId
  })
  after(async () => {
    for (const node of running) await node.stop()
    await server.close()
    home.remove()
  })

  it('syncs what the API has sealed, and goes on as it seals more', async () => {
    await server.listen()
    server.script = { latest: FIRST + 20 }
    const identities = join(home.path, 'identities.json')
    const dirs = ['execution', 'access'].map((role) => ({ role, dir: join(home.path, role) }))
    const entries: unknown[] = []
    for (const { role, dir } of dirs) {
      const init = ['init', '--data-dir', dir, '--role', role, '--address', `127.0.0.1:${await freePort()}`, '--json']
      entries.push(lastJson(await command(init)))
    }
    writeFileSync(identities, JSON.stringify(entries))
    const [execution, access] = dirs.map(({ dir }) => dir)
    assert.ok(execution !== undefined && access !== undefined)
    lastJson(
      await command(['import', '--data-dir', execution, '--feed', `file:${chainBlockList}`, '--json', chainFixture])
    )
    const common = ['--identities', identities, '--metrics-address', '127.0.0.1:0', '--api-address', '127.0.0.1:0']
    running.push(new RunningNode(execution, [...common, '--feed', `file:${chainBlockList}`]))
    const args = [...common, '--feed', `flow-access:${server.address}`, '--start-height', String(FIRST)]
    const node = new RunningNode(access, args)
    running.push(node)
    await until(node, async () => (await node.status())?.heights.consecutive === FIRST + 20)
    server.script = { latest: FIRST + 30 }
    await until(node, async () => (await node.status())?.heights.consecutive === FIRST + 30)
    const status = await node.status()
    assert.equal(status?.heights.feed, FIRST + 30)
    assert.equal(status?.duplicateRatio, 0)
    assert.equal(await node.stop(), 0)
  })

  it('names what cannot be a host', async () => {
    const run = (feed: string) => command(['run', '--data-dir', home.path, '--identities', 'x', '--feed', feed])
    for (const feed of ['flow-access:', 'flow-access:host', 'flow-access:a:1,a:1', 'flow-access:http://a:1']) {
      const { code, stderr } = await run(feed)
      assert.deepEqual([code, /flow-access:HOST:PORT/.test(stderr)], [3, true], feed)
    }
  })
})
