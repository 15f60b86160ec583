import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { MessageStream } from '@libp2p/interface'

/** The TCP socket under a connection of `@libp2p/tcp`, which keeps it in a field that only its types hide. */
export function socketOf(connection: MessageStream): Socket | undefined {
  const { socket } = connection as { readonly socket?: unknown }
  return socket instanceof Socket && !(socket instanceof TLSSocket) ? socket : undefined
}
