import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chainBlockList, lastJson, RunningNode, sealsync, until } from '#test/support/node/cli.ts'
import { testNetwork } from '#test/support/node/test-network.ts'

const LAST = 1_000_071

/** A Node in which the packages of the DHT cannot be found. */
const WITHOUT_PACKAGE = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from 'node:module'
registerHooks({
  resolve(name, context, next) {
    if (name === '@libp2p/kad-dht') throw Object.assign(new Error('not installed'), { code: 'ERR_MODULE_NOT_FOUND' })
    return next(name, context)
  }
})`)}`

describe('the build with the DHT', () => {
  const network = testNetwork()
  const accessDir = network.dataDir('access')
  const metricsOf = async (node: RunningNode): Promise<(name: string) => number> => {
    const text = await (await fetch(`http://${node.addresses()?.metrics}/metrics`)).text()
    return (name) => {
      const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
    }
  }

  it('provides what it has, keeps what others provide, and says which build it is', async () => {
    await network.init({ execution: 'execution', access: 'access' })
    const feed = ['--feed', `file:${chainBlockList}`]
    await network.importChain('execution')
    // Blobs that are old when the node starts are provided in the first round, here after a second.
    const execution = network.start('execution', [
      ...feed,
      '--follow',
      '--dht-enabled',
      '--dht-reprovide-interval',
      '1s'
    ])
    const access = network.start('access', [
      '--start-height',
      '1000000',
      '--dht-enabled',
      '--dht-provider-store',
      'level'
    ])
    await until(access, async () => (await access.status())?.heights.consecutive === LAST)
    await until(execution, async () => (await metricsOf(execution))('sealsync_p2p_dht_provider_additions_total') > 10)
    await until(access, async () => (await metricsOf(access))('sealsync_p2p_dht_provider_additions_total') > 10)
    const read = await metricsOf(access)
    assert.equal(read('network_dht_routing_table_size'), 1)
    assert.ok(read('sealsync_p2p_dht_own_records') > 0)
    assert.ok(read('sealsync_p2p_dht_provider_records') > read('sealsync_p2p_dht_own_records'))
    assert.ok(read('sealsync_p2p_dht_messages_total{type="ADD_PROVIDER",direction="outbound"}') > 0)
    assert.ok((await metricsOf(execution))('sealsync_p2p_dht_provides_total{kind="again"}') > 0)
    const status = lastJson<Record<string, unknown>>(await sealsync(['status', '--data-dir', accessDir, '--json']))
    assert.deepEqual([status['routing'], status['policy'], status['variant']], ['dht', 'classic', 'dht'])
    assert.equal(await access.stop(), 0)
    assert.equal(await execution.stop(), 0)
  })

  it('says in one line what is missing where the optional packages are not installed', async () => {
    const node = new RunningNode(accessDir, ['--identities', network.identities, '--dht-enabled'], {
      execArgv: ['--import', WITHOUT_PACKAGE]
    })
    assert.equal(await node.ended(), 3)
    assert.match(node.output, /routing dht needs the optional packages @libp2p\/kad-dht/)
  })

  it('does not go with another routing', async () => {
    const { code, stderr } = await sealsync(['run', '--data-dir', accessDir, '--dht-enabled', '--routing', 'none'])
    assert.equal(code, 2)
    assert.match(stderr, /--dht-enabled and --routing "none" contradict one another/)
  })
})
