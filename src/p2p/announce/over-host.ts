/** Joins both sides to a host. */
import type { Logger } from '../../log/logger.ts'
import type { PeerIdText } from '../../model/index.ts'
import type { Clock, Rng } from '../../util/index.ts'
import type { Host } from '../host.ts'
import type { IdentityTable } from '../identity-table/table.ts'
import { AnnounceClient, type AnnounceClientComponents } from './client.ts'
import { ANNOUNCE_PROTOCOL } from './frames.ts'
import type { AnnounceMetrics } from './metrics.ts'
import { type AnnounceOptions, validateAnnounceOptions } from './options.ts'
import { type AnnouncementLog, AnnounceServer } from './server.ts'
import { libp2pAnnounceStream } from './stream.ts'

export interface AnnounceComponents {
  readonly host: Host
  readonly table: AnnounceClientComponents['table']
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: AnnounceMetrics
}

/** A newer stream replaces an older one, so a peer has two for a moment. */
const MAX_INBOUND_STREAMS = 4

/**
 * The listening side. To be made before the host starts, started after it. Throws P2pError `option-invalid`.
 */
export function createAnnounceClient(components: AnnounceComponents, options: AnnounceOptions): AnnounceClient {
  validateAnnounceOptions(options)
  const { host, table, clock, rng, log, metrics } = components
  const network = {
    connected: () => host.peers.connected(),
    onPeer: (listener: Parameters<Host['onPeer']>[0]) => host.onPeer(listener),
    coolDown: (peer: PeerIdText, reason: string) => host.peers.coolDown(peer, reason),
    async open(peer: PeerIdText, { signal }: { readonly signal: AbortSignal }) {
      const connection = host.connectionTo(peer)
      if (connection === undefined) throw new Error('the peer is not connected')
      return libp2pAnnounceStream(await connection.newStream(ANNOUNCE_PROTOCOL, { signal }))
    }
  }
  return new AnnounceClient({ network, table, clock, rng, log, metrics }, options)
}

/** The execution node's side. Registers the protocol: to be awaited before the host starts. Throws P2pError `option-invalid`. */
export async function createAnnounceServer(
  components: Omit<AnnounceComponents, 'rng' | 'table'> & {
    readonly table: Pick<IdentityTable, 'isAdmitted'>
    readonly announcements: AnnouncementLog
  },
  options: AnnounceOptions
): Promise<AnnounceServer> {
  validateAnnounceOptions(options)
  const { host, table, clock, log, metrics, announcements } = components
  const coolDown = (peer: PeerIdText, reason: string): void => host.peers.coolDown(peer, reason)
  const server = new AnnounceServer({ table, announcements, coolDown, clock, log, metrics }, options)
  await host.handle(
    ANNOUNCE_PROTOCOL,
    (stream, connection) => server.accept(connection.remotePeer.toString() as PeerIdText, libp2pAnnounceStream(stream)),
    { maxInboundStreams: MAX_INBOUND_STREAMS }
  )
  return server
}
