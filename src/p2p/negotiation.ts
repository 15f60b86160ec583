import type { ConnectionGater, MessageStream, MultiaddrConnection } from '@libp2p/interface'

/** Answers to one negotiation: to its header, to `ls`, to some protocols that are not spoken, and to the one that is. */
const MAX_ANSWERS = 16
/** Writes to a socket that a handshake may take beside the answers of its negotiations: noise takes one, TLS a few. */
const HANDSHAKE_WRITES = 16

/**
 * Ends a stream or connection that tries one protocol after the other. What answers it (`@libp2p/multistream-select`
 * `handle.js`) goes on for as long as there is something to read and lets nobody else run in between: 16,000 attempts fit in
 * one packet's worth of a socket, and each is answered.
 *
 * Writes count as answers until `negotiated` says otherwise; `overhead` of them may be something else.
 */
export function limitNegotiation(stream: MessageStream, negotiated: () => boolean, overhead = 0): void {
  const send = stream.send.bind(stream)
  let answers = 0
  stream.send = (data) => {
    if (negotiated()) {
      stream.send = send
      return send(data)
    }
    answers += 1
    if (answers > MAX_ANSWERS + overhead) stream.abort(new Error('negotiates without end'))
    return send(data)
  }
}

/** The gater, with a bound on what an inbound handshake may have answered before it is through. */
export function withLimitedHandshakes(gater: ConnectionGater): ConnectionGater {
  const through = new WeakSet<MultiaddrConnection>()
  return {
    ...gater,
    denyInboundConnection: (socket) => {
      limitNegotiation(socket, () => through.has(socket), HANDSHAKE_WRITES)
      return gater.denyInboundConnection?.(socket) ?? false
    },
    denyInboundUpgradedConnection: (peer, socket) => {
      through.add(socket)
      return gater.denyInboundUpgradedConnection?.(peer, socket) ?? false
    }
  }
}
