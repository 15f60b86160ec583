import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ApiClient } from '#src/lab/hammer/api-client.ts'
import { carBlobs, Catalogue, RecentBlobs } from '#src/lab/hammer/blobs.ts'
import { type Cage, makeCage } from '#src/lab/hammer/cage.ts'
import { type LoadParts, Paging, readApi, readBlobs, walkFrom } from '#src/lab/hammer/load.ts'
import { LoadPeer } from '#src/lab/hammer/load-peer.ts'
import { Tally } from '#src/lab/hammer/tally.ts'
import { generateNetworkKey } from '#src/p2p/index.ts'
import { seededRng, systemClock, systemRng } from '#src/util/index.ts'
import { CHAIN } from '#test/support/node/chain-network.ts'
import {
  chainBlockList,
  chainFixture,
  freePort,
  lastJson,
  type RunningNode,
  sealsync,
  until
} from '#test/support/node/cli.ts'
import { testNetwork } from '#test/support/node/test-network.ts'

const MIB = 1_048_576
const LIMIT = 256 * MIB
/** Above the smallest that a node starts in, and near to what it takes under load. */
const SHRUNK = 168 * MIB
const PEERS = 3
const IN_FLIGHT = 8
const CLIENTS = 24
const KEPT = 20

describe('a storm that begins before the node does', () => {
  const network = testNetwork()
  const accessDir = network.dataDir('access')
  const over = new AbortController()
  const peers: LoadPeer[] = []
  const loads: Promise<void>[] = []
  const client = new ApiClient({ connections: CLIENTS })
  const tally = new Tally()
  let cage: Cage | undefined
  let target: RunningNode | undefined

  before(async () => {
    // Where none may be made, everything but the limit is shown all the same.
    cage = await makeCage(LIMIT).catch(() => undefined)
    const keys = Array.from({ length: PEERS }, () => generateNetworkKey())
    const played = await Promise.all(
      keys.map(async ({ publicKey: { point } }) => ({
        role: 'access' as const,
        point,
        address: `127.0.0.1:${await freePort()}`
      }))
    )
    const [, access, ...others] = await network.init({ execution: 'execution', access: 'access' }, played)
    assert.ok(access !== undefined)
    await network.importChain('execution')
    network.start('execution', ['--feed', `file:${chainBlockList}`, '--follow'])
    const catalogue = new Catalogue()
    for (let height = CHAIN.first; height <= CHAIN.last; height += 1) {
      const blobs = carBlobs(readFileSync(join(chainFixture, `${height}.car`)))
      catalogue.add(
        height,
        blobs.map(({ cid, bytes }) => ({ cid, size: bytes.length }))
      )
    }
    const parts: LoadParts = {
      clock: systemClock,
      rng: seededRng(1),
      catalogue,
      target: {
        peerId: access.peerId,
        get apiAddress() {
          return target?.addresses()?.api
        }
      }
    }
    for (const [at, key] of keys.entries()) {
      const own = others[at]
      assert.ok(own !== undefined)
      const use = { key, listen: own, identities: [own, access], asks: access.peerId, blobs: new RecentBlobs(MIB) }
      peers.push(await LoadPeer.start({ clock: systemClock, rng: systemRng }, use))
    }
    const use = { tally, signal: over.signal }
    for (const peer of peers) {
      const paging = new Paging(walkFrom(systemRng.next()))
      for (let at = 0; at < IN_FLIGHT; at += 1) loads.push(readBlobs(parts, peer, { ...use, paging }))
    }
    for (let at = 0; at < CLIENTS; at += 1) loads.push(readApi(parts, client, use))
  })
  after(async () => {
    over.abort()
    await Promise.all(loads)
    client.close()
    for (const peer of peers) await peer.stop()
    await target?.stop()
    await cage?.remove()
  })

  /** Something was served after this moment. */
  const goesOn = async (node: RunningNode): Promise<void> => {
    const before = tally.ok
    await until(node, () => tally.ok > before + 20)
  }

  it('is outlived: while the node starts, loses memory, prunes and winds down', async () => {
    const node = network.start('access', ['--profile', 'nano', '--start-height', String(CHAIN.first)], cage?.prefix)
    target = node
    await until(node, async () => (await statusOf(node))?.heights.consecutive === CHAIN.last)
    await goesOn(node)

    if (cage !== undefined) {
      await cage.setLimit(SHRUNK)
      await until(node, async () => (await metric(node, 'sealsync_budget_limit_bytes')) === SHRUNK)
      await goesOn(node)
    }

    const below = CHAIN.last - KEPT + 1
    const pruned = lastJson<{ prunedTo: number }>(
      await sealsync(['prune', '--data-dir', accessDir, '--json', '--below', String(below)])
    )
    assert.equal(pruned.prunedTo, below - 1)
    await goesOn(node)
    for (let height = below; height <= CHAIN.last; height += 1) {
      assert.deepEqual(await carOf(node, height), readFileSync(join(chainFixture, `${height}.car`)))
    }

    const left = await sealsync(['wind-down', '--data-dir', accessDir, '--json'])
    assert.equal(left.code, 0, left.stderr)
    assert.equal(await node.ended(), 0, node.output)
    assert.equal(await cage?.oomKills(), cage === undefined ? undefined : 0)
  })
})

async function statusOf(node: RunningNode) {
  return node.status().catch(() => undefined)
}

/** Refused while others are served: asked again. */
async function carOf(node: RunningNode, height: number): Promise<Buffer> {
  for (;;) {
    const answer = await fetch(`http://${node.addresses()?.api}/v1/execution-data/${height}?format=car`)
    const bytes = Buffer.from(await answer.arrayBuffer())
    if (answer.status === 200) return bytes
    assert.ok([429, 503].includes(answer.status), bytes.toString('utf8'))
  }
}

async function metric(node: RunningNode, name: string): Promise<number> {
  const text = await (await fetch(`http://${node.addresses()?.metrics}/metrics`)).text()
  return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1])
}
