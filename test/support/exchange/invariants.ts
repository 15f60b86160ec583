import assert from 'node:assert/strict'
import type { Want } from '#src/exchange/client/want.ts'
import type { SimNode } from './sim-node.ts'

/** What must hold after every event. */
export function checkInvariants(node: SimNode): void {
  if (!node.up) return
  const { client, server } = node.exchange
  let [owned, shared, pending] = [0, false, 0]
  for (const want of client.wants()) {
    assert.ok(client.attended(want), `a ${want.state} want that nothing moves on`)
    shared ||= want.state === 'shared'
    if (want.owner !== undefined) owned += 1
    if (want.state === 'pending') pending += 1
    checkOwner(node, want)
  }
  let outstanding = 0
  for (const state of client.peers()) {
    outstanding += state.outstanding.size
    assert.ok(state.inFlightBytes >= 0, 'fewer than no bytes in flight')
  }
  if (!shared) assert.equal(outstanding, owned, 'one owner per want')
  // It waits until a peer that has enough to do is done; when nobody has anything to do, nothing will move it.
  assert.ok(pending === 0 || outstanding > 0, 'a pending want, and nobody is asked for anything')
  assert.equal(server.bytesInFlight, server.reservedBytes, 'bytes held are bytes accounted')
  for (const peer of server.peers()) assert.ok(client.peer(peer) !== undefined, 'a ledger of a peer that is gone')
}

function checkOwner({ exchange: { client } }: SimNode, want: Want): void {
  if (want.state === 'shared') return
  const owes = want.state === 'asked' || want.state === 'sent' || want.state === 'acked'
  assert.equal(want.owner !== undefined, owes, `a ${want.state} want and its owner`)
  if (want.owner !== undefined) {
    assert.ok(client.peer(want.owner)?.outstanding.has(want.key), 'an owner that does not know its want')
  }
}

/** What must hold when everything is delivered and nothing is on its way. */
export function checkQuiet(node: SimNode): void {
  checkInvariants(node)
  assert.equal(node.exchange.client.liveWants, 0)
  assert.equal(node.exchange.server.bytesInFlight, 0, 'nothing is held for sending')
  assert.equal(node.exchange.receivingBytes, 0, 'nothing is held for receiving')
}
