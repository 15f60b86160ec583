import {
  type ApiOptions,
  DESCRIBED_BLOB_BYTES,
  DESCRIBED_BLOB_TEXT_BYTES,
  defaultApiOptions,
  STREAM_WINDOW_BYTES
} from '../api/index.ts'
import { type AccountName, type BudgetStep, defaultIdleOptions, type IdleOptions } from '../budget/index.ts'
import { type ExchangeOptionsChange, exchangeOptions } from '../exchange/index.ts'
import { defaultExecutionDataOptions, type ExecutionDataOptions } from '../execution-data/index.ts'
import { type AnnouncementsFeedOptions, defaultAnnouncementsFeedOptions } from '../feed/index.ts'
import { defaultHostOptions, type HostOptions } from '../p2p/index.ts'
import { defaultRequesterOptions, type RequesterOptions } from '../requester/index.ts'
import {
  type DatabaseOptions,
  defaultDatabaseOptions,
  defaultSegmentBlockstoreOptions,
  type SegmentBlockstoreOptions
} from '../store/index.ts'
import { formatSize } from '../util/index.ts'
import type { Profile } from './config/keys.ts'

/**
 * What a profile gives each room beside the settings of its own (`PROFILE_VALUES`): bounds that an operator has no reason to
 * set one by one. What is not named keeps the room's default, which is the profile `standard`.
 */
export interface RoomOptions {
  readonly exchange: ExchangeOptionsChange
  readonly executionData: ExecutionDataOptions
  readonly requester: RequesterOptions
  readonly feed: AnnouncementsFeedOptions
  readonly store: Omit<SegmentBlockstoreOptions, 'directory'>
  readonly database: DatabaseOptions
  readonly host: Pick<
    HostOptions,
    'maxStreamWindowBytes' | 'maxReadBufferBytes' | 'writePieceBytes' | 'maxInboundStreams'
  >
  readonly api: ApiOptions
  readonly idle: IdleOptions
}

const MIB = 1024 ** 2

const { maxStreamWindowBytes, maxReadBufferBytes, writePieceBytes, maxInboundStreams } = defaultHostOptions

const standard: RoomOptions = {
  exchange: {},
  executionData: defaultExecutionDataOptions,
  requester: defaultRequesterOptions,
  feed: defaultAnnouncementsFeedOptions,
  store: defaultSegmentBlockstoreOptions,
  database: defaultDatabaseOptions,
  host: { maxStreamWindowBytes, maxReadBufferBytes, writePieceBytes, maxInboundStreams },
  api: defaultApiOptions,
  idle: defaultIdleOptions
}

/** For 256 MiB in all: docs/nano.md says of each what it costs. */
const nano: RoomOptions = {
  exchange: {
    client: {
      maxLiveWants: 2_048,
      peerWindowBytes: { initial: 1 * MIB, min: 1 * MIB, max: 2 * MIB },
      receiveBytesPerPeer: 4 * MIB,
      maxPausedPerPeer: 8
    },
    server: { maxLookups: 64 },
    streams: { maxInboundPerPeer: 128, maxPresences: 2_048 }
  },
  executionData: {
    ...defaultExecutionDataOptions,
    parallelFetches: 16,
    maxHintFetches: 64,
    maxUnconfirmedBytes: 8 * MIB,
    maxFalseHintBytes: 16 * MIB,
    maxUndurableBytes: 8 * MIB,
    pauseBytes: MIB / 4
  },
  requester: {
    ...defaultRequesterOptions,
    concurrency: 16,
    maxAheadBytes: 128 * MIB,
    maxHintCids: 4_096
  },
  feed: { ...defaultAnnouncementsFeedOptions, maxHintBytes: 2 * MIB },
  store: {
    ...defaultSegmentBlockstoreOptions,
    segmentBytes: 64 * MIB,
    groupBytes: 4 * MIB,
    maxPendingBytes: 48 * MIB,
    maxPendingOperations: 8_192,
    indexEveryRecords: 1_024,
    maxOpenFiles: 16
  },
  database: { ...defaultDatabaseOptions, cacheBytes: 2 * MIB, writeBufferBytes: 1 * MIB, maxOpenFiles: 64 },
  host: { maxStreamWindowBytes: 1 * MIB, maxReadBufferBytes: 2 * MIB, writePieceBytes: MIB / 32, maxInboundStreams },
  api: {
    ...defaultApiOptions,
    metrics: { ...defaultApiOptions.metrics, maxConnections: 16, maxInFlight: 8, maxScrapes: 2 },
    api: { ...defaultApiOptions.api, maxConnections: 64, maxInFlight: 32, maxBlobReads: 8 },
    reader: { ...defaultApiOptions.reader, maxStreams: 4 },
    adminReader: { ...defaultApiOptions.adminReader, maxStreams: 1 },
    admin: { ...defaultApiOptions.admin, maxConnections: 8, maxInFlight: 8, maxJsonBytes: MIB / 4 }
  },
  idle: { ...defaultIdleOptions, emptiesCache: true, deepMs: defaultIdleOptions.quietMs }
}

const ROOM_OPTIONS: Readonly<Record<Profile, RoomOptions>> = { standard, nano, archive: standard }

/** The rooms' options under a profile. */
export function roomOptions(profile: Profile): RoomOptions {
  return ROOM_OPTIONS[profile]
}

/** The largest reservations that a room makes in one go, by the limit that makes them so large. */
export function largestSteps({ exchange, api }: RoomOptions): BudgetStep[] {
  const { maxBlockBytes, client: receiving } = exchangeOptions(exchange)
  const described = Math.ceil(api.reader.maxAnswerBytes / DESCRIBED_BLOB_TEXT_BYTES) * DESCRIBED_BLOB_BYTES
  const step = (account: AccountName, bytes: number, key: string): BudgetStep => ({ account, bytes, key })
  return [
    step('receive', maxBlockBytes, 'exchange.maxBlockBytes'),
    step('receive', receiving.receiveBytesPerPeer, 'exchange.client.receiveBytesPerPeer'),
    step('send', maxBlockBytes, 'exchange.maxBlockBytes'),
    step('api', STREAM_WINDOW_BYTES, 'api STREAM_WINDOW_BYTES'),
    step('api', STREAM_WINDOW_BYTES + described, 'what api.reader.maxAnswerBytes lets a description take')
  ]
}

/**
 * Says which limits do not fit each other, naming both; empty when all do. A step of one room must fit into what the next room
 * takes: what is fetched at once into what may wait for the disk, a group of writes into what may wait, a window into its buffer.
 */
export function faultsOfRooms({ executionData, store, host, exchange, requester }: RoomOptions): string[] {
  const { client: receiving, maxBlockBytes } = exchangeOptions(exchange)
  const pairs: readonly (readonly [string, number, string, number])[] = [
    ['store.groupBytes', store.groupBytes, 'store.maxPendingBytes', store.maxPendingBytes],
    ['store.groupBytes', store.groupBytes, 'store.segmentBytes', store.segmentBytes],
    ['store.indexEveryBytes', store.indexEveryBytes, 'store.segmentBytes', store.segmentBytes],
    [
      'execution-data.maxUndurableBytes',
      executionData.maxUndurableBytes,
      'store.maxPendingBytes',
      store.maxPendingBytes
    ],
    ['p2p.maxStreamWindowBytes', host.maxStreamWindowBytes, 'p2p.maxReadBufferBytes', host.maxReadBufferBytes],
    ['execution-data.maxBlobBytes', executionData.maxBlobBytes, 'exchange.maxBlockBytes', maxBlockBytes],
    [
      'execution-data.maxBlobBytes',
      executionData.maxBlobBytes,
      'exchange.client.peerWindowBytes.min',
      receiving.peerWindowBytes.min
    ],
    ['requester.concurrency', requester.concurrency, 'sync.search-ahead', requester.maxSearchAhead]
  ]
  return pairs.flatMap(([small, smallValue, large, largeValue]) =>
    smallValue <= largeValue
      ? []
      : [`${small} (${shown(small, smallValue)}) exceeds ${large} (${shown(large, largeValue)})`]
  )
}

function shown(name: string, value: number): string {
  return /bytes/i.test(name) ? formatSize(value) : String(value)
}
