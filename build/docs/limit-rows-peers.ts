import type { LimitSection } from './limit-row.ts'

const REFUSALS = (reason: string): string[] => [`sealsync_exchange_refusals_total{reason="${reason}"}`]
const GATER = (reason: string): string[] => [`sealsync_p2p_refusals_total{reason="${reason}"}`]
const STREAMS = ['network_libp2p_resource_manager_block_stream_total']
const GATER_FILE = 'src/p2p/connection-gater.ts'

const CONNECTIONS: LimitSection = {
  title: 'Peers: connections and streams',
  rows: [
    {
      limits: [`${GATER_FILE}#UNKNOWN_PENDING`, `${GATER_FILE}#UNKNOWN_PENDING_PER_IP`],
      defends: 'handshakes that addresses outside the identity table may have pending, together and each',
      at: 'the socket is closed before the handshake; the staked set has slots of its own',
      counters: GATER('pending-unknown')
    },
    {
      limits: [`${GATER_FILE}#UNKNOWN_PER_SECOND`, `${GATER_FILE}#UNKNOWN_BURST`],
      defends: 'CPU for handshakes with strangers, a second and at once',
      at: 'the socket is closed before the handshake',
      counters: GATER('rate-unknown')
    },
    {
      limits: [`${GATER_FILE}#KNOWN_SLACK`],
      defends: 'handshakes pending from an address of the table: two a node there, and so many more',
      at: 'the socket is closed before the handshake',
      counters: [...GATER('pending-known'), ...GATER('rate-known')]
    },
    {
      limits: ['p2p.inboundUpgradeTimeoutMs'],
      defends: 'pending slots, against handshakes that never end',
      at: 'the connection is closed',
      counters: ['sealsync_p2p_handshake_failures_total']
    },
    {
      limits: ['p2p.keepAliveTimeoutMs'],
      defends: 'against peers that are gone without a word',
      at: 'the connection is cut',
      counters: ['sealsync_p2p_dead_connections_total']
    },
    {
      limits: ['p2p.maxStreamWindowBytes', 'p2p.maxReadBufferBytes'],
      defends: 'memory a peer can fill on one stream: its receive window, and what may wait unread',
      at: 'the peer has to wait; beyond the buffer the stream is reset'
    },
    {
      limits: ['p2p.maxInboundStreams', 'p2p.inboundStreamsPerSecond', 'p2p.inboundStreamsBurst'],
      defends: 'streams on one connection, open, a second and at once',
      at: 'the stream is reset before its protocol is negotiated',
      counters: STREAMS
    },
    {
      limits: ['p2p.inboundStreamsExcess'],
      defends: 'against a flood of streams: refused ones, filled up by a quarter of the rate',
      at: 'the peer is disconnected for a cooldown',
      counters: STREAMS
    },
    {
      limits: ['src/p2p/negotiation.ts#MAX_ANSWERS'],
      defends: 'CPU, against a stream or a handshake that tries one protocol after the other: answers it gets',
      at: 'the stream is reset, the socket closed'
    },
    {
      limits: ['p2p.peers.maxParallelDials'],
      defends: 'CPU for handshakes of our own',
      at: 'further dials wait',
      counters: ['sealsync_p2p_dials_total']
    },
    {
      limits: ['p2p.peers.cooldownMs'],
      defends: 'against a peer that misbehaved: for so long it is neither dialled nor let in',
      at: 'refused',
      counters: ['sealsync_p2p_cooldowns_total', ...GATER('cooldown')]
    }
  ]
}

/** Only of a node with routing `dht`. */
const DHT: LimitSection = {
  title: 'Peers: the DHT (routing dht only)',
  rows: [
    {
      limits: ['dht.maxRecords'],
      defends: 'memory, or disk, for what peers say they have',
      at: 'the record is refused, and its stream reset',
      counters: ['sealsync_p2p_dht_refused_additions_total', 'sealsync_p2p_dht_provider_records']
    },
    {
      limits: ['dht.maxProvideQueue'],
      defends: 'memory for new blobs that wait to be provided',
      at: 'the blob is not provided before the node starts again',
      counters: ['sealsync_p2p_dht_dropped_provides_total', 'sealsync_p2p_dht_provide_queue']
    },
    {
      limits: ['dht.maxProviders', 'src/exchange/client/classic-lookup.ts#MAX_LOOKUPS'],
      defends: 'streams: peers that one look-up asks for, and look-ups at one time',
      at: 'the look-up ends; the want waits for the next look',
      counters: ['sealsync_exchange_lookups_total']
    },
    {
      limits: ['src/p2p/routing/provider-records.ts#MAX_WINDOW_KEYS'],
      defends: 'memory for telling the different keys of a second apart',
      at: 'further keys count as different',
      counters: ['sealsync_p2p_dht_provider_addition_keys_total']
    }
  ]
}

const MESSAGES: LimitSection = {
  title: 'Peers: the exchange (bitswap)',
  rows: [
    {
      limits: ['exchange.maxMessageBytes', 'exchange.maxBlockBytes'],
      defends: 'memory for what a length prefix claims',
      at: 'refused at the prefix, before anything is allocated; the stream is reset',
      counters: REFUSALS('oversize')
    },
    {
      limits: ['exchange.maxEntriesPerMessage'],
      defends: 'work for one message: wantlist entries and presences',
      at: 'the rest of the message is passed over',
      counters: REFUSALS('entries')
    },
    {
      limits: ['exchange.streams.wordBurstBytes', 'exchange.streams.wordBytesPerSecond'],
      defends: "time for reading one peer's wants, presences and framing, at once and a second",
      at: 'the peer is disconnected for a cooldown',
      counters: REFUSALS('words')
    },
    {
      limits: ['exchange.server.entryBurst', 'exchange.server.entriesPerSecond'],
      defends: "work for one peer's wants that end in no block, at once and a second",
      at: 'the entry is answered DONT_HAVE',
      counters: REFUSALS('rate')
    },
    {
      limits: ['exchange.server.maxWantsPerPeer'],
      defends: 'memory for the wants of one peer',
      at: 'the oldest that cannot be served makes room, else the new one is answered DONT_HAVE',
      counters: REFUSALS('ledger')
    },
    {
      limits: ['exchange.server.maxLookups'],
      defends: 'reads of the store index at one time; peers take turns, each with a line as long as its ledger',
      at: 'the want is answered DONT_HAVE',
      counters: REFUSALS('lookups')
    },
    {
      limits: ['exchange.server.repeatBucketBytes', 'exchange.server.repeatBytesPerSecond'],
      defends: 'upload, against a peer that asks for the same blocks again and again',
      at: 'the want is answered DONT_HAVE',
      counters: REFUSALS('repeat')
    },
    {
      limits: ['exchange.server.sendBytes', 'exchange.server.streamRoomBytes', 'exchange.server.maxConcurrentWrites'],
      defends: 'memory for blocks on their way out: all of them, unsent on one stream, peers written to at one time',
      at: 'blocks wait in the queue, by turns for each peer',
      counters: ['sealsync_exchange_send_in_flight_bytes', 'sealsync_exchange_queued_blocks']
    },
    {
      limits: [
        'exchange.server.writeStallMs',
        'exchange.server.minSendRateBytes',
        'exchange.server.maxWriteStalls',
        'exchange.streams.controlStallMs'
      ],
      defends:
        'against a peer that asks and hardly reads: looked at so often, bytes a second it must take, stalls it is allowed; and answers it does not take',
      at: 'its stream is reset and its queue dropped; then it is disconnected for a cooldown',
      counters: REFUSALS('write-stall')
    },
    {
      limits: [
        'exchange.streams.maxInboundPerPeer',
        'exchange.streams.inboundBurst',
        'exchange.streams.inboundPerSecond'
      ],
      defends: 'inbound exchange streams of one peer: open, at once, a second',
      at: 'reset; after four bursts the peer is disconnected for a cooldown',
      counters: REFUSALS('streams')
    },
    {
      limits: ['exchange.streams.maxPresences', 'exchange.streams.controlUnsentBytes'],
      defends: 'memory for answers to a peer that does not read them',
      at: 'further presences are dropped',
      counters: REFUSALS('presences')
    },
    {
      limits: ['exchange.streams.messageTimeoutMs', 'exchange.client.stallMs', 'exchange.client.minRateBytes'],
      defends:
        'streams, against messages that dribble: without a block; a block without a byte; bytes a second of a block',
      at: 'the stream is reset, the block is asked of another peer',
      counters: REFUSALS('slow')
    },
    {
      limits: ['exchange.streams.slowBurst', 'exchange.streams.slowPerSecond'],
      defends: 'against a peer all of whose streams dribble: slow ones at once, and a second',
      at: 'the peer is disconnected for a cooldown',
      counters: REFUSALS('slow')
    },
    {
      limits: ['exchange.client.receiveBytes', 'exchange.client.receiveBytesPerPeer'],
      defends: 'memory for blocks being received: all peers together, and one, so that it cannot keep the others out',
      at: 'the streams are paused',
      counters: ['sealsync_exchange_receive_in_flight_bytes']
    },
    {
      limits: ['exchange.client.maxPausedPerPeer'],
      defends: 'memory for what lies unread on paused streams of one peer, a window each',
      at: 'the stream is reset, the block is asked of another peer',
      counters: REFUSALS('receive')
    },
    {
      limits: ['exchange.client.unsolicitedBytes', 'exchange.client.unsolicitedShare'],
      defends: 'bandwidth, against blocks nobody asked for: so many bytes, and this share of the useful ones',
      at: 'the peer is disconnected for a cooldown',
      counters: REFUSALS('unsolicited')
    },
    {
      limits: ['exchange.client.maxLiveWants', 'exchange.client.maxWantsPerPeer'],
      defends: 'memory for our own wants, in all and at one peer',
      at: 'further fetches wait in order',
      counters: ['sealsync_exchange_waiting_fetches']
    }
  ]
}

const ANNOUNCEMENTS: LimitSection = {
  title: 'Peers: announcements',
  rows: [
    {
      limits: ['src/model/limits.ts#MAX_HINT_CIDS'],
      defends: 'the size of one announcement: the CIDs of its hint',
      at: 'malformed: the stream is reset, a fault',
      counters: ['sealsync_p2p_announce_faults_total{reason="malformed"}']
    },
    {
      limits: ['announce.verificationsPerSecond', 'announce.verificationsBurst'],
      defends: 'CPU for the signatures of one execution node, a second and at once; 2 KiB count as one',
      at: 'dropped; asked for again later',
      counters: ['sealsync_p2p_announce_over_rate_total{kind="announcement"}']
    },
    {
      limits: ['announce.repeatsPerSecond', 'announce.repeatsBurst', 'announce.rememberedPerPeer'],
      defends: 'CPU for what was said before: a second, at once, announcements remembered',
      at: 'dropped',
      counters: ['sealsync_p2p_announce_over_rate_total{kind="repeat"}', 'sealsync_p2p_announce_repeats_total']
    },
    {
      limits: ['announce.maxFaults', 'announce.faultWindowMs'],
      defends: 'against malformed, badly signed, unasked announcements: so many within the time',
      at: 'the peer is disconnected for a cooldown',
      counters: ['sealsync_p2p_announce_faults_total', 'sealsync_p2p_cooldowns_total']
    },
    {
      limits: ['announce.requestsPerSecond', 'announce.requestsBurst', 'announce.maxQueuedRequests'],
      defends: "reads of the execution node's log for one peer: a second, at once, waiting",
      at: 'answered as not served',
      counters: ['sealsync_p2p_announce_requests_total{outcome="refused"}']
    },
    {
      limits: ['announce.maxReplayHeights'],
      defends: 'what one request can order',
      at: 'the answer ends there; the asker goes on from it',
      counters: ['sealsync_p2p_announce_replayed_total']
    },
    {
      limits: ['announce.maxQueuedLive'],
      defends: 'memory for one slow listener',
      at: 'the oldest is dropped; the listener asks for it',
      counters: ['sealsync_p2p_announce_live_dropped_total']
    },
    {
      limits: ['feed.windowHeights', 'feed.maxHintBytes'],
      defends: 'memory for announced heights that are not notified yet, and for their hints',
      at: 'forgotten and asked for again when the window moves; a hint is left out',
      counters: ['sealsync_feed_announcements_total{result="beyond"}', 'sealsync_feed_hints_dropped_total']
    },
    {
      limits: ['feed.suspiciousDistance'],
      defends: 'against one node that claims a height far above all others',
      at: 'the claim is not believed until others come near it',
      counters: ['sealsync_feed_suspicious_claims_total']
    },
    {
      limits: ['feed.requestHeights', 'feed.requestHeightsPerSecond'],
      defends: 'the execution nodes, against our own requests: heights at once and a second',
      at: 'the next request waits',
      counters: ['sealsync_feed_requested_heights_total']
    }
  ]
}

/** What a staked peer, or a stranger at the door, can make grow. */
export const PEER_LIMITS: readonly LimitSection[] = [CONNECTIONS, MESSAGES, ANNOUNCEMENTS, DHT]
