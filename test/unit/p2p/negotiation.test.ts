import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import { withLimitedHandshakes } from '#src/p2p/negotiation.ts'

class Socket {
  writes = 0
  aborted = false
  send(): boolean {
    this.writes += 1
    return true
  }
  abort(): void {
    this.aborted = true
  }
}

const socket = (): MultiaddrConnection & Socket => new Socket() as never
const peer = {} as PeerId

function write(to: MultiaddrConnection, times: number): void {
  for (let time = 0; time < times; time += 1) to.send(new Uint8Array(4))
}

test('a handshake that only tries protocols is ended, one that gets through may write as it likes', () => {
  const gater = withLimitedHandshakes({ denyDialPeer: () => true })
  const [through, endless] = [socket(), socket()]
  for (const one of [through, endless]) assert.equal(gater.denyInboundConnection?.(one), false)
  write(through, 20)
  assert.equal(gater.denyInboundUpgradedConnection?.(peer, through), false)
  write(through, 1000)
  assert.equal(through.aborted, false)
  assert.equal(through.writes, 1020)
  write(endless, 32)
  assert.equal(endless.aborted, false)
  write(endless, 1)
  assert.equal(endless.aborted, true)
})

test('the gater is asked as before', () => {
  const inner: ConnectionGater = {
    denyDialPeer: () => true,
    denyInboundConnection: () => true,
    denyInboundUpgradedConnection: () => true,
    denyOutboundConnection: () => false
  }
  const gater = withLimitedHandshakes(inner)
  assert.equal(gater.denyDialPeer?.(peer), true)
  assert.equal(gater.denyInboundConnection?.(socket()), true)
  assert.equal(gater.denyInboundUpgradedConnection?.(peer, socket()), true)
  assert.equal(gater.denyOutboundConnection?.(peer, socket()), false)
})
