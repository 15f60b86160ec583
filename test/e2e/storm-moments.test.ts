import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ApiClient } from '#src/lab/hammer/api-client.ts'
import { carBlobs, Catalogue, RecentBlobs } from '#src/lab/hammer/blobs.ts'
import { type Cage, makeCage } from '#src/lab/hammer/cage.ts'
import { type LoadParts, Paging, readApi, readBlobs, walkFrom } from '#src/lab/hammer/load.ts'
import { LoadPeer } from '#src/lab/hammer/load-peer.ts'
import { Tally } from '#src/lab/hammer/tally.ts'
import type { NodeIdentity } from '#src/model/index.ts'
import { generateNetworkKey, parseIdentities, peerIdOf } from '#src/p2p/index.ts'
import { seededRng, systemClock, systemRng, toHex } from '#src/util/index.ts'
import { CHAIN } from '#test/support/node/chain-network.ts'
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

const MIB = 1_048_576
const LIMIT = 256 * MIB
/** Above the smallest that a node starts in, and near to what it takes under load. */
const SHRUNK = 168 * MIB
const PEERS = 3
const IN_FLIGHT = 8
const CLIENTS = 24
const KEPT = 20

describe('a storm that begins before the node does', () => {
  const home = temporaryDirectory()
  const over = new AbortController()
  const running: RunningNode[] = []
  const peers: LoadPeer[] = []
  const loads: Promise<void>[] = []
  const client = new ApiClient({ connections: CLIENTS })
  const tally = new Tally()
  const dirs = { execution: join(home.path, 'execution'), access: join(home.path, 'access') }
  const identitiesPath = join(home.path, 'identities.json')
  let cage: Cage | undefined
  let target: RunningNode | undefined

  before(async () => {
    // Where none may be made, everything but the limit is shown all the same.
    cage = await makeCage(LIMIT).catch(() => undefined)
    const keys = Array.from({ length: PEERS }, () => generateNetworkKey())
    const entries: unknown[] = []
    for (const [name, dir] of Object.entries(dirs)) {
      const words = ['--role', name, '--address', `127.0.0.1:${await freePort()}`]
      entries.push(lastJson(await sealsync(['init', '--data-dir', dir, ...words, '--json'])))
    }
    for (const key of keys) entries.push(await entryOf(key.publicKey.point))
    writeFileSync(identitiesPath, JSON.stringify(entries))
    const list = `file:${chainBlockList}`
    lastJson(await sealsync(['import', '--data-dir', dirs.execution, '--feed', list, '--json', chainFixture]))
    running.push(start(dirs.execution, ['--feed', list, '--follow']))
    const [, access, ...others] = parseIdentities(JSON.stringify(entries))
    assert.ok(access !== undefined)
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
    for (const key of keys) peers.push(await startPeer(key, { access, others }))
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
    for (const node of running) await node.stop()
    await cage?.remove()
    home.remove()
  })

  const start = (dataDir: string, args: readonly string[], prefix?: readonly string[]): RunningNode => {
    const listeners = ['--metrics-address', '127.0.0.1:0', '--api-address', '127.0.0.1:0', '--log-format', 'json']
    const words = ['--identities', identitiesPath, ...args, ...listeners]
    return new RunningNode(dataDir, words, prefix === undefined ? {} : { prefix })
  }
  /** Something was served after this moment. */
  const goesOn = async (node: RunningNode): Promise<void> => {
    const before = tally.ok
    await until(node, () => tally.ok > before + 20)
  }

  it('is outlived: while the node starts, loses memory, prunes and winds down', async () => {
    const node = start(dirs.access, ['--profile', 'nano', '--start-height', String(CHAIN.first)], cage?.prefix)
    running.push(node)
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
      await sealsync(['prune', '--data-dir', dirs.access, '--json', '--below', String(below)])
    )
    assert.equal(pruned.prunedTo, below - 1)
    await goesOn(node)
    for (let height = below; height <= CHAIN.last; height += 1) {
      assert.deepEqual(await carOf(node, height), readFileSync(join(chainFixture, `${height}.car`)))
    }

    const left = await sealsync(['wind-down', '--data-dir', dirs.access, '--json'])
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

async function entryOf(point: Uint8Array): Promise<unknown> {
  return {
    Role: 'access',
    Address: `127.0.0.1:${await freePort()}`,
    NodeID: createHash('sha256').update(point).digest('hex'),
    NetworkPubKey: toHex(point)
  }
}

function startPeer(
  key: ReturnType<typeof generateNetworkKey>,
  { access, others }: { readonly access: NodeIdentity; readonly others: readonly NodeIdentity[] }
): Promise<LoadPeer> {
  const own = others.find(({ peerId }) => peerId === peerIdOf(key))
  assert.ok(own !== undefined)
  return LoadPeer.start(
    { clock: systemClock, rng: systemRng },
    { key, listen: own, identities: [own, access], asks: access.peerId, blobs: new RecentBlobs(MIB) }
  )
}
