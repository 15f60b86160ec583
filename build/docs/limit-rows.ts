import type { LimitSection } from './limit-row.ts'
import { PEER_LIMITS } from './limit-rows-peers.ts'
import { PUBLIC_LIMITS } from './limit-rows-public.ts'

const REFUSED = (code: string): string[] => [`sealsync_api_refused_total{code="${code}"}`]
const MALFORMED = ['sealsync_execution_data_malformed_total{code="limit-exceeded"}']
const listeners = (name: string): string[] => ['metrics', 'api', 'admin'].map((listener) => `api.${listener}.${name}`)

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
        'execution-data.maxItems',
        'execution-data.freeItems',
        'execution-data.minItemBytes'
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
      limits: ['execution-data.maxFalseHintBytes', 'execution-data.falseHintBytesPerSecond'],
      defends: 'bandwidth, against hints that lie at every height: bytes of all of them, at once and a second',
      at: 'hints are passed over, trees are fetched level by level',
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
      limits: ['requester.concurrency', 'requester.lowestHeights'],
      defends:
        'downloads at one time, and while memory is short (the lowest ones only); one slot is kept for the lowest missing height',
      at: 'further heights wait',
      counters: [
        'state_synchronization_execution_data_requester_execution_requester_in_progress_downloads',
        'sealsync_requester_put_off_total'
      ]
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
    {
      limits: ['api.reader.maxAnswerBytes', 'api.adminReader.maxAnswerBytes'],
      defends: 'memory for the description of one block, which is paid for blob by blob before it is made',
      at: '413; the block can still be had as a CAR',
      counters: REFUSED('exceeds-limit')
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
        'src/p2p/identity-table/parse.ts#MAX_IDENTITIES',
        'src/p2p/identity-table/batches.ts#BATCH_CHARS'
      ],
      defends: 'memory and start time: bytes and entries of the identity table, and characters of one entry',
      at: 'the node does not start (`identity-table-invalid`, exit 3); while it runs, the table in force stays',
      counters: ['sealsync_p2p_identity_table_loads_total{outcome="invalid"}']
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
      limits: ['feed-access.maxAnswerBytes'],
      defends: "memory for one answer of an Access API's host",
      at: 'it is not read; the host is left alone for a while, the next one is asked',
      counters: ['sealsync_feed_host_calls_total{outcome="answer-too-large"}']
    },
    {
      limits: ['feed-access.callTimeoutMs', 'feed-access.hedgeMs'],
      defends: 'against a host that stalls: its call ends, the next host is asked beside it',
      at: 'as above',
      counters: ['sealsync_feed_host_calls_total{outcome="host-timeout"}']
    },
    {
      limits: ['feed-access.windowHeights', 'feed-access.maxParallelCalls'],
      defends: 'memory for heights ahead of what was synced, and the hosts from being asked for them at once',
      at: 'they are asked for later'
    },
    {
      limits: ['src/node/config/feed-source.ts#MAX_HOSTS'],
      defends: 'hosts of the Access API, each asked twice a second',
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
      limits: ['pruner.maxStepBlobs', 'pruner.minStepBlobs'],
      defends: 'memory and time of one step of pruning; tracking waits for it',
      at: 'the rest goes with the next step'
    },
    {
      limits: ['repair.maxRemembered'],
      defends: 'memory for damaged blobs that wait for a good copy',
      at: 'more are repaired only when they are asked for',
      counters: ['sealsync_store_repairs_total{outcome="forgotten"}']
    },
    {
      limits: ['store.maxOpenFiles'],
      defends: 'file descriptors for segments',
      at: 'the longest unused one is closed'
    }
  ]
}

export const LIMIT_SECTIONS: readonly LimitSection[] = [...PEER_LIMITS, PUBLIC_LIMITS, DATA, OWN, CLIENTS, FILES]

/** Options that bound something and stand on the page under another name, or are no limit against abuse. */
export const NOT_LISTED: ReadonlyMap<string, string> = new Map([
  ['api.metrics.maxHeaderBytes', 'the same on each listener'],
  ['api.admin.maxHeaderBytes', 'the same on each listener'],
  ['api.metrics.maxUrlLength', 'the same on each listener'],
  ['api.admin.maxUrlLength', 'the same on each listener'],
  ['api.admin.maxSocketPathBytes', 'set by the operating system'],
  ['api.health.maxLag', 'when the node counts as ready'],
  [
    'exchange.client.classic.maxLiveWants',
    "boxo's way of asking, for comparisons: what it bounds is the asker's own pace"
  ],
  ['disk.maxUnexplained', 'when a database that refuses writes is given up; nobody else can grow it'],
  ['pruner.bytesPerSecond', 'the setting pruner.rate takes its place; 0 is no limit'],
  ['requester.maxSearchAhead', 'the setting sync.search-ahead takes its place'],
  ['requester.maxInFlightBytes', 'the setting sync.search-ahead-bytes takes its place'],
  ['requester.maxReportedHalts', 'length of a list in the status'],
  ['tracker.maxGroupCids', 'cuts what waits into batches; a height is written whole whatever it is']
])
