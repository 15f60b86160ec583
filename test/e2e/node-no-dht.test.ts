import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  chainBlockList,
  freePort,
  lastJson,
  RunningNode,
  sealsync,
  temporaryDirectory,
  until
} from '#test/support/node/cli.ts'

const DHT = /kad-dht|kademlia|delegated-routing/i

describe('a node with routing none', () => {
  const home = temporaryDirectory()
  after(() => home.remove())

  for (const role of ['access', 'execution'] as const) {
    it(`loads no module of the DHT (${role})`, async () => {
      const dataDir = join(home.path, role)
      const loaded = join(home.path, `${role}.txt`)
      const identities = join(home.path, `${role}.json`)
      const address = `127.0.0.1:${await freePort()}`
      const entry = lastJson(
        await sealsync(['init', '--data-dir', dataDir, '--role', role, '--address', address, '--json'])
      )
      writeFileSync(identities, JSON.stringify([entry]))
      const listen = ['--metrics-address', '127.0.0.1:0', '--api-address', '127.0.0.1:0', '--log-level', 'silent']
      const args = [
        '--identities',
        identities,
        '--routing',
        'none',
        '--feed',
        `file:${chainBlockList}`,
        '--follow',
        ...listen
      ]
      const node = new RunningNode(dataDir, args, {
        execArgv: ['--import', new URL('../support/node/log-modules.mjs', import.meta.url).href],
        env: { LOADED_MODULES: loaded }
      })
      try {
        await until(node, () => node.addresses() !== undefined)
        const protocols = await (await fetch(`http://${node.addresses()?.metrics}/metrics`)).text()
        assert.doesNotMatch(protocols, /_dht_|kad/)
      } finally {
        assert.equal(await node.stop(), 0)
      }
      const modules = readFileSync(loaded, 'utf8').trimEnd().split('\n')
      assert.ok(
        modules.some((url) => url.includes('/libp2p/') || url.endsWith('/dist/main.js')),
        'the list of modules shows that libp2p was loaded'
      )
      assert.deepEqual(
        modules.filter((url) => DHT.test(url)),
        []
      )
    })
  }

  it('has none in its bundle', async () => {
    const out = join(home.path, 'bundle')
    execFileSync(process.execPath, ['build/build.mjs', '--outdir', out], { cwd: new URL('../..', import.meta.url) })
    const files = readdirSync(out).filter((name) => name.endsWith('.js'))
    assert.ok(files.includes('main.js'))
    for (const name of files)
      assert.doesNotMatch(readFileSync(join(out, name), 'utf8'), /node_modules\/@libp2p\/kad-dht/, name)
  })
})
