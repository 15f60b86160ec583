import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import type { PeerIdText } from '#src/model/index.ts'
import { AnnouncementReceiver } from '#src/p2p/announce/receiver.ts'
import {
  createAnnounceMetrics,
  defaultAnnounceOptions,
  encodeSigned,
  IdentityTable,
  signAnnouncement
} from '#src/p2p/index.ts'
import { ManualClock, makeAnnouncement, makeMember, valueOf } from './support.ts'

const relay = makeMember('access').identity.peerId
const executions = [makeMember('execution'), makeMember('execution'), makeMember('execution')]
const stranger = makeMember('execution')

function receiver(metrics = createAnnounceMetrics(new Registry())): AnnouncementReceiver {
  const staked = new IdentityTable(executions.map(({ identity }) => identity))
  const table = {
    mayAnnounce: (peer: PeerIdText) => peer === relay,
    signersOf: () => staked.executionPeers.map(({ peerId }) => peerId),
    publicKeyOf: (signer: PeerIdText) => staked.publicKeyOf(signer)
  }
  return new AnnouncementReceiver(relay, { table, clock: new ManualClock(), metrics }, defaultAnnounceOptions)
}

test('what is relayed counts as its signer’s, whoever sends it, also when it is repeated', async () => {
  const metrics = createAnnounceMetrics(new Registry())
  const sut = receiver(metrics)
  for (const { key, identity } of executions) {
    const body = encodeSigned(signAnnouncement(key, makeAnnouncement(7)))
    for (const live of [true, false]) {
      const verdict = sut.receive(body, live)
      assert.ok(verdict.type === 'accept')
      assert.equal(verdict.signer, identity.peerId)
    }
  }
  // one, two and three keys were tried: the last one that was right comes first
  assert.equal(await valueOf(metrics.verifications), 1 + 2 + 3)
})

test('a relay cannot make announcements of its own, nor change one', () => {
  const forged = encodeSigned(signAnnouncement(stranger.key, makeAnnouncement(7)))
  assert.equal(receiver().receive(forged, true).type, 'fault')
  const changed = encodeSigned(signAnnouncement((executions[0] ?? stranger).key, makeAnnouncement(7)))
  changed[40] = (changed[40] ?? 0) ^ 1
  const verdict = receiver().receive(changed, true)
  assert.ok(verdict.type === 'fault' && verdict.fault === 'bad-signature')
})
