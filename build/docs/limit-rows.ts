/** One limit, or several that work as one. */
export interface LimitRow {
  /** As `limitValue` takes them. */
  readonly limits: readonly string[]
  readonly defends: string
  readonly at: string
  /** A metric, with a label's value where one says it; several when each of the limits has its own. */
  readonly counters?: readonly string[]
}

export interface LimitSection {
  readonly title: string
  readonly rows: readonly LimitRow[]
}

const REFUSALS = (reason: string): string[] => [`sealsync_exchange_refusals_total{reason="${reason}"}`]
const GATER = (reason: string): string[] => [`sealsync_p2p_refusals_total{reason="${reason}"}`]
const REFUSED = (code: string): string[] => [`sealsync_api_refused_total{code="${code}"}`]
const MALFORMED = ['sealsync_execution_data_malformed_total{code="limit-exceeded"}']
const STREAMS = ['network_libp2p_resource_manager_block_stream_total']
const GATER_FILE = 'src/p2p/connection-gater.ts'
const listeners = (name: string): string[] => ['metrics', 'api', 'admin'].map((listener) => `api.${listener}.${name}`)

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
      defends: 'against a flood of streams: refused ones in a row',
      at: 'the connection is cut',
      counters: STREAMS
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
      limits: ['exchange.server.entryBurst', 'exchange.server.entriesPerSecond'],
      defends: "work for one peer's wants, at once and a second",
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
      defends: 'reads of the store index at one time',
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
      limits: ['exchange.server.writeStallMs'],
      defends: 'against a peer that asks and does not read',
      at: 'its stream is reset and its queue dropped',
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
      limits: ['exchange.client.receiveBytes'],
      defends: 'memory for blocks being received, all peers together',
      at: 'the streams are paused',
      counters: ['sealsync_exchange_receive_in_flight_bytes']
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

const DATA: LimitSection = {
  title: 'The data itself',
  rows: [
    {
      limits: ['execution-data.maxBlobBytes'],
      defends: 'what every node of the network has to hold',
      at: 'the height is halted (`blob-too-large`)',
      counters: ['sealsync_execution_data_malformed_total{code="blob-too-large"}']
    },
    {
      limits: [
        'execution-data.maxChunks',
        'execution-data.maxTreeDepth',
        'execution-data.maxLevelCids',
        'execution-data.maxBlockCids'
      ],
      defends:
        'memory and round trips, against trees that repeat CIDs: chunks, levels, CIDs of a level, CIDs of a block',
      at: 'the height is halted (`limit-exceeded`)',
      counters: MALFORMED
    },
    {
      limits: ['execution-data.maxBlockBytes'],
      defends: 'the disk, against a block that is a bomb',
      at: 'the height is halted (`limit-exceeded`)',
      counters: MALFORMED
    },
    {
      limits: [
        'execution-data.maxChunkSerializedBytes',
        'execution-data.maxChunkBytes',
        'execution-data.maxListBytes',
        'execution-data.maxDecodedBlockBytes'
      ],
      defends:
        'memory of decoding: a chunk as it lies there, a chunk and a list decompressed, a whole block read at once',
      at: 'the height is halted (`limit-exceeded`)',
      counters: MALFORMED
    },
    {
      limits: [
        'execution-data.maxRatio',
        'execution-data.ratioFreeBytes',
        'execution-data.maxFrameBlocks',
        'execution-data.maxItems'
      ],
      defends:
        'against decompression and element bombs: ratio, from how many bytes on it counts, blocks of a frame, elements',
      at: 'the height is halted',
      counters: ['sealsync_execution_data_malformed_total']
    },
    {
      limits: ['execution-data.maxHintFetches', 'execution-data.maxUnconfirmedBytes'],
      defends: 'bandwidth, against a hint that names what the tree does not have',
      at: 'the hint is given up, the tree is fetched level by level',
      counters: ['sealsync_execution_data_hints_given_up_total', 'sealsync_execution_data_extra_hint_bytes_total']
    },
    {
      limits: ['execution-data.parallelFetches', 'execution-data.maxUndurableBytes'],
      defends: 'memory of one download: blobs waited for, bytes the disk has not taken yet',
      at: 'no new fetch begins',
      counters: ['sealsync_store_pending_bytes']
    },
    {
      limits: ['tracker.maxCidsPerBlock'],
      defends: 'memory of one batch of the tracker',
      at: 'the height is halted (`too-many-cids`)',
      counters: ['sealsync_requester_halted_heights']
    }
  ]
}

const OWN: LimitSection = {
  title: 'What sync may take',
  rows: [
    {
      limits: [
        'setting:memory.budget',
        ...['cache', 'receive', 'send', 'decode', 'api'].map((name) => `budget.accountBytes.${name}`)
      ],
      defends:
        'memory of everything that grows with load, together; then of cache, receiving, sending, decoding, answers to clients',
      at: 'the reservation is refused: streams pause, decoding waits, clients get 503, the cache lets older blobs go',
      counters: ['sealsync_budget_refused_total', 'sealsync_budget_reserved_bytes']
    },
    {
      limits: [
        'setting:sync.search-ahead',
        'setting:sync.search-ahead-bytes',
        'requester.maxAheadBytes',
        'requester.maxHintCids'
      ],
      defends: 'what a stuck height lets pile up: heights ahead, bytes being fetched, bytes held ahead, CIDs of hints',
      at: 'the feed is read no further; the lowest missing height always runs',
      counters: [
        'sealsync_requester_ahead_heights',
        'sealsync_requester_ahead_bytes',
        'sealsync_requester_in_flight_bytes'
      ]
    },
    {
      limits: ['requester.concurrency'],
      defends: 'downloads at one time; one slot is kept for the lowest missing height',
      at: 'further heights wait',
      counters: ['state_synchronization_execution_data_requester_execution_requester_in_progress_downloads']
    },
    {
      limits: ['requester.maxUnsavedNotifications'],
      defends: 'how many heights listeners may hear of twice after a crash',
      at: 'notification waits for the disk',
      counters: ['state_synchronization_execution_data_requester_execution_requester_outstanding_notifications']
    },
    {
      limits: ['store.maxPendingBytes', 'store.maxPendingOperations'],
      defends: 'how far the network may run ahead of the disk',
      at: 'the put is refused (`overloaded`) and repeated',
      counters: ['sealsync_store_write_errors_total{code="overloaded"}']
    },
    {
      limits: ['disk.lowWaterBytes'],
      defends: 'an orderly end before the disk is full',
      at: 'the node is not ready, and says so in the log',
      counters: ['sealsync_node_disk_free_bytes', 'sealsync_api_check_ok{check="disk"}']
    },
    {
      limits: ['provider.log.retentionHeights', 'provider.log.retentionBytes'],
      defends: 'the disk of an execution node: announcements kept for replay',
      at: 'the oldest go first',
      counters: ['sealsync_provider_log_bytes']
    },
    {
      limits: ['provider.maxIngests', 'provider.ingestBatchBytes'],
      defends: 'memory of blocks being taken in at an execution node: at a time, and gathered for each',
      at: 'refused (`ingest-busy`)',
      counters: ['sealsync_provider_ingests_refused_total']
    }
  ]
}

const CLIENTS: LimitSection = {
  title: 'Clients: the listeners (metrics, API, admin socket)',
  rows: [
    {
      limits: listeners('maxConnections'),
      defends: 'sockets and their memory',
      at: 'closed at once',
      counters: ['sealsync_api_connections_dropped_total']
    },
    {
      limits: listeners('maxInFlight'),
      defends: 'requests being answered',
      at: '503',
      counters: REFUSED('overloaded')
    },
    {
      limits: ['api.api.maxHeaderBytes'],
      defends: 'memory of the HTTP parser, on each listener',
      at: '431',
      counters: ['sealsync_api_protocol_faults_total{reason="headers-too-large"}']
    },
    {
      limits: ['api.api.maxUrlLength'],
      defends: 'work on the request target, on each listener',
      at: '414',
      counters: REFUSED('uri-too-long')
    },
    {
      limits: ['api.api.headersTimeoutMs', 'api.api.requestTimeoutMs'],
      defends:
        'connections, against requests that trickle: headers, the whole request; the admin socket bounds a body by its own deadline',
      at: '408',
      counters: ['sealsync_api_protocol_faults_total{reason="timeout"}']
    },
    {
      limits: ['api.api.writeDeadlineMs'],
      defends: 'streams, against readers that do not read: time for the next 64 KiB',
      at: 'the connection is reset',
      counters: ['sealsync_api_answers_cut_total{reason="slow-reader"}']
    },
    {
      limits: ['api.admin.bodyDeadlineMs'],
      defends: 'against a body that stops arriving',
      at: '408',
      counters: REFUSED('body-timeout')
    },
    {
      limits: ['api.admin.maxJsonBytes'],
      defends: 'memory for a JSON body',
      at: '413',
      counters: REFUSED('body-too-large')
    },
    {
      limits: ['api.metrics.maxScrapes'],
      defends: 'memory for rendered metrics',
      at: '429',
      counters: REFUSED('too-many-scrapes')
    },
    {
      limits: ['api.api.maxBlobReads', 'api.reader.maxStreams', 'api.adminReader.maxStreams'],
      defends: 'memory for transfers: single blobs, trees for clients, trees for the operator',
      at: '429',
      counters: REFUSED('too-many-streams')
    },
    { limits: ['api.client.maxAnswerBytes'], defends: "the command line's memory", at: 'the command fails' }
  ]
}

const FILES: LimitSection = {
  title: 'Files',
  rows: [
    {
      limits: [
        'src/p2p/identity-table/parse.ts#MAX_IDENTITY_FILE_BYTES',
        'src/p2p/identity-table/parse.ts#MAX_IDENTITIES'
      ],
      defends: 'memory and start time: bytes and entries of the identity table',
      at: 'the node does not start (`identity-table-invalid`, exit 3)'
    },
    {
      limits: ['src/p2p/network-key.ts#MAX_KEY_FILE_BYTES'],
      defends: 'against a file that is no key',
      at: 'the node does not start (`key-file-invalid`, exit 8)'
    },
    {
      limits: ['src/node/config/load.ts#MAX_FILE_BYTES'],
      defends: 'memory for the configuration file',
      at: 'the node does not start (`config`, exit 3)'
    },
    {
      limits: ['feed-file.maxLineBytes'],
      defends: 'memory for one line of a block list',
      at: 'the feed ends with `line-too-long`'
    },
    {
      limits: ['feed-file.maxRecentBlocks'],
      defends: 'memory for blocks read and not notified yet',
      at: 'they are read again from the file'
    },
    {
      limits: [
        'src/execution-data/car/reader.ts#MAX_HEADER_BYTES',
        'src/execution-data/car/reader.ts#MAX_ROOTS',
        'src/execution-data/car/reader.ts#MAX_CID_BYTES'
      ],
      defends: 'memory for a CAR header, its roots, a CID; a section is bounded by the largest blob',
      at: '`car-malformed`: the file is reported, the others are taken'
    },
    {
      limits: ['src/node/import-cars.ts#GROUP_BYTES'],
      defends: 'memory of an import: bytes put at once',
      at: 'the import waits for the disk'
    },
    {
      limits: ['store.maxOpenFiles'],
      defends: 'file descriptors for segments',
      at: 'the longest unused one is closed'
    }
  ]
}

export const LIMIT_SECTIONS: readonly LimitSection[] = [CONNECTIONS, MESSAGES, ANNOUNCEMENTS, DATA, OWN, CLIENTS, FILES]

/** Options that bound something and stand on the page under another name, or are no limit against abuse. */
export const NOT_LISTED: ReadonlyMap<string, string> = new Map([
  ['api.metrics.maxHeaderBytes', 'the same on each listener'],
  ['api.admin.maxHeaderBytes', 'the same on each listener'],
  ['api.metrics.maxUrlLength', 'the same on each listener'],
  ['api.admin.maxUrlLength', 'the same on each listener'],
  ['api.admin.maxSocketPathBytes', 'set by the operating system'],
  ['api.health.maxLag', 'when the node counts as ready'],
  ['requester.maxSearchAhead', 'the setting sync.search-ahead takes its place'],
  ['requester.maxInFlightBytes', 'the setting sync.search-ahead-bytes takes its place'],
  ['requester.maxReportedHalts', 'length of a list in the status']
])
