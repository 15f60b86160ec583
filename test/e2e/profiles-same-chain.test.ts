import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { CHAIN, type ChainNetwork, startChainNetwork } from '#test/support/node/chain-network.ts'
import { chainFixture, lastJson, sealsync, temporaryDirectory } from '#test/support/node/cli.ts'

interface Limits {
  readonly memory: {
    readonly caps: Readonly<Record<string, number>>
    readonly limits: readonly { readonly key: string; readonly value: number }[]
  }
}

describe('a network of a nano node, a standard one and one without a cache', () => {
  const home = temporaryDirectory()
  let network: ChainNetwork | undefined
  after(async () => {
    await network?.stop()
    home.remove()
  })

  it('holds one chain: every node exports it bit for bit, whatever its memory', async () => {
    network = await startChainNetwork({
      home: home.path,
      executions: 1,
      access: {
        nano: ['--profile', 'nano'],
        standard: ['--profile', 'standard'],
        uncached: ['--profile', 'nano', '--cache', '0']
      }
    })
    const files = readdirSync(chainFixture).filter((file) => file.endsWith('.car'))
    assert.ok(files.length > 0)
    for (const [name, node] of network.access) {
      const out = join(home.path, 'out', name)
      const range = ['--from', String(CHAIN.first), '--to', String(CHAIN.last)]
      lastJson(await sealsync(['export', '--data-dir', node.dataDir, ...range, '--out', out, '--json']))
      for (const file of files) {
        assert.ok(readFileSync(join(chainFixture, file)).equals(readFileSync(join(out, file))), `${name}: ${file}`)
      }
      const { memory } = (await node.status()) as unknown as Limits
      const described = memory.limits.find(({ key }) => key === 'api.reader.maxAnswerBytes')
      assert.equal(described?.value, 262_144)
      assert.equal(memory.caps['cache'], { nano: 8, standard: 64, uncached: 0 }[name as 'nano'] * 1024 ** 2)
    }
  })
})
