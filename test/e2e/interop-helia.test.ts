// Helia's bitswap (@helia/bitswap on js-libp2p) and ours, each in a process of its own. Helia knows neither P-256 identities nor a protocol
// prefix, so ours stands here as an access node's public host does: a secp256k1 key, whoever dials is let in, and bitswap without a prefix.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { isLeftOut, prepare } from '#test/perf/harness/contender.ts'
import { PeerProcess } from '#test/perf/harness/peer-process.ts'
import type { ListenOutput, WantOutput } from '#test/perf/peers/commands.ts'

const MIB = 1_048_576
const installed = existsSync(new URL('../interop/helia-peer/node_modules/@helia/bitswap', import.meta.url))
const wanted = process.env['SEALSYNC_INTEROP'] === 'build' || installed
const helia = wanted
  ? await prepare('helia')
  : { name: 'helia', reason: 'it is not installed, and installing it needs downloads: npm run test:interop' }
const ours = await prepare('sealsync')

if (isLeftOut(helia) || isLeftOut(ours)) {
  test(`left out: Helia's peer cannot be had here (${isLeftOut(helia) ? helia.reason : ''})`, () => {})
} else {
  for (const security of ['tls', 'noise'] as const) {
    describe(`Helia over ${security}`, () => {
      const peers = [ours, helia].map(
        (contender) => new PeerProcess(contender.launch({ core: undefined, nodeFlags: [] }))
      ) as [PeerProcess, PeerProcess]
      const [node, other] = peers
      before(async () => {
        const listening = await Promise.all(
          peers.map((peer) => peer.call<ListenOutput>('listen', { security, channel: 'plain' }))
        )
        await Promise.all(peers.map((peer) => peer.call('connect', { nodes: listening })))
      })
      after(async () => {
        await Promise.all(peers.map((peer) => peer.stop()))
      })
      const put = async (peer: PeerProcess, from: number, count: number, size: number): Promise<string[]> =>
        (await peer.call<{ cids: string[] }>('put', { from, count, size })).cids

      for (const [name, holder, asker, base] of [
        ['Helia fetches from us', node, other, 1_000],
        ['we fetch from Helia', other, node, 50_000]
      ] as const) {
        test(`${name}: blocks of 1 MiB and 2 MiB, and 1,000 small ones`, async () => {
          const cids = [
            ...(await put(holder, base, 4, MIB)),
            ...(await put(holder, base + 10, 2, 2 * MIB)),
            ...(await put(holder, base + 1_000, 1_000, 2_000))
          ]
          await asker.call<WantOutput>('want', { cids, inFlight: asker === other ? 64 : undefined })
          assert.equal((await asker.call<{ held: number }>('held', { cids })).held, cids.length)
        })
      }
    })
  }
}
