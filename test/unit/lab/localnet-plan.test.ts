import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nodeCount, planNodes, runArguments } from '#src/lab/localnet/plan.ts'
import { defaultLocalnetOptions, type LocalnetOptions } from '#src/lab/options.ts'

const paths = {
  dataRoot: '/data',
  logRoot: '/logs',
  identities: '/logs/identities.json',
  blockList: '/logs/blocks.jsonl'
}

function planOf(over: Partial<LocalnetOptions>) {
  const options = { ...defaultLocalnetOptions, ...over }
  const ports = Array.from({ length: nodeCount(options) }, (_, at) => ({ listen: 1000 + at, dial: 2000 + at }))
  return { options, nodes: planNodes(options, paths, ports) }
}

describe('the plan', () => {
  it('names nodes by role and number, execution nodes first', () => {
    const { nodes } = planOf({ execution: 2, access: 3, observer: 1 })
    assert.deepEqual(
      nodes.map(({ name }) => name),
      ['execution-1', 'execution-2', 'access-1', 'access-2', 'access-3', 'observer-1']
    )
    assert.equal(nodes[2]?.dataDir, '/data/access-1')
    assert.equal(nodes[2]?.logFile, '/logs/access-1.log')
    assert.equal(nodes[2]?.listenAddress, '127.0.0.1:1002')
    assert.equal(nodes[2]?.dialAddress, '127.0.0.1:2002')
  })

  it('kills the first access nodes and silences the last ones', () => {
    const { nodes } = planOf({ access: 4, execution: 3, kill: 2, silent: 1, silentExecution: 1, blocks: 10 })
    assert.deepEqual(
      nodes.map(({ fault }) => fault),
      ['none', 'none', 'silent', 'kill', 'kill', 'none', 'silent']
    )
  })

  it('gives the DHT to the last access nodes only', () => {
    const { nodes } = planOf({ access: 3, dhtAccess: 2 })
    assert.deepEqual(
      nodes.map(({ routing }) => routing),
      ['none', 'none', 'none', 'dht', 'dht']
    )
  })

  it('lets execution nodes follow the block list and access nodes the announcements', () => {
    const { nodes, options } = planOf({ policy: 'classic', security: 'noise' })
    const argumentsOf = (at: number): string => {
      const node = nodes[at]
      assert.ok(node !== undefined)
      return runArguments(node, { options, paths, firstHeight: 1_000_000 }).join(' ')
    }
    assert.match(
      argumentsOf(0),
      /^run --stop-at-eof --feed file:\/logs\/blocks\.jsonl --follow --data-dir \/data\/execution-1 --role execution /
    )
    assert.match(
      argumentsOf(2),
      /^run --stop-at-eof --feed announcements --data-dir \/data\/access-1 --role access --identities \/logs\/identities\.json /
    )
    assert.match(
      argumentsOf(2),
      /--p2p-address 127\.0\.0\.1:1002 .*--security noise --routing none --policy classic .*--start-height 1000000/
    )
  })
})
