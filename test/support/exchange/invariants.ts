import assert from 'node:assert/strict'
import type { SimNode } from './sim-node.ts'

/** What must hold after every event. */
export function checkInvariants(node: SimNode): void {
  if (!node.up) return
  const { client, server } = node.exchange
  for (const want of client.wants()) {
    assert.ok(client.attended(want), `a ${want.state} want that nothing moves on`)
    if (want.state === 'shared') continue
    const owned = want.state === 'asked' || want.state === 'sent' || want.state === 'acked'
    assert.equal(want.owner !== undefined, owned, `a ${want.state} want and its owner`)
    if (want.owner !== undefined) {
      assert.ok(client.peer(want.owner)?.outstanding.has(want.key), 'an owner that does not know its want')
    }
  }
  let outstanding = 0
  for (const state of client.peers()) {
    outstanding += state.outstanding.size
    assert.ok(state.inFlightBytes >= 0)
  }
  const wants = [...client.wants()]
  const owned = wants.filter((want) => want.owner !== undefined).length
  if (!wants.some((want) => want.state === 'shared')) assert.equal(outstanding, owned, 'one owner per want')
  assert.equal(server.bytesInFlight, server.reservedBytes, 'bytes held are bytes accounted')
  for (const peer of server.peers()) assert.ok(client.peer(peer) !== undefined, 'a ledger of a peer that is gone')
}

/** What must hold when everything is delivered and nothing is on its way. */
export function checkQuiet(node: SimNode): void {
  checkInvariants(node)
  assert.equal(node.exchange.client.liveWants, 0)
  assert.equal(node.exchange.server.bytesInFlight, 0, 'nothing is held for sending')
  assert.equal(node.exchange.receivingBytes, 0, 'nothing is held for receiving')
}
