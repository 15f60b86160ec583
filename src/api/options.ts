import { MAX_BLOB_BYTES } from '../model/index.ts'

/** Bounds that every listener has. */
export interface HttpLimits {
  /** Connections at one time; a further one is closed at once and counted. Each costs some 20 KiB. */
  readonly maxConnections: number
  /** Requests being answered at one time, pipelined ones included; a further one gets 503 `overloaded`. */
  readonly maxInFlight: number
  /** Bytes of request line and headers together; more is answered 431. Node's parser holds them in memory. */
  readonly maxHeaderBytes: number
  /** Characters of the request target; more is answered 414. The longest that means something here has some 250. */
  readonly maxUrlLength: number
  /** Time for the request line and headers to arrive, ms: a client that trickles them holds a connection no longer. */
  readonly headersTimeoutMs: number
  /** Time for a whole request to arrive, ms; 0 where a route takes a body of any length (its own deadline bounds it). */
  readonly requestTimeoutMs: number
  /** How long an idle connection is kept, ms: longer than a scrape interval, so that scrapers reuse theirs. */
  readonly keepAliveTimeoutMs: number
  /**
   * Time within which the reader must take the next 64 KiB of an answer, ms; then the connection is destroyed and
   * counted. 10 s make 6.5 KB/s the slowest reader, so that a handful of them cannot hold every stream for ever.
   */
  readonly writeDeadlineMs: number
  /** Time within which the next bytes of a body must arrive while the handler waits for them, ms. */
  readonly bodyDeadlineMs: number
  /** Time that `stop` leaves the requests being answered, ms; then they are cut. */
  readonly stopDeadlineMs: number
}

/** Where a TCP listener stands. */
export interface ListenAddress {
  /** An address or name of this machine. Loopback unless the operator says otherwise. */
  readonly host: string
  /** 0: any free port; the listener's `address` says which. */
  readonly port: number
  /**
   * Names that the `Host` header may carry besides loopback ones. On a loopback address the header is always checked, so
   * that a page in the operator's browser cannot reach the listener through a name that it had resolved to
   * 127.0.0.1 (DNS rebinding); on another address only when this list is not empty.
   */
  readonly allowedHosts: readonly string[]
}

export interface MetricsListenerOptions extends HttpLimits, ListenAddress {
  /** Scrapes being rendered or sent at one time; each holds the whole text, some 100 KiB. A further one gets 429. */
  readonly maxScrapes: number
}

export interface ApiListenerOptions extends HttpLimits, ListenAddress {
  /** Transfers of single blobs at one time; a further one gets 429. */
  readonly maxBlobReads: number
}

export interface ExecutionDataReaderOptions {
  /** What its refusals call it: the first part of a limit's key. */
  readonly name: string
  /** Trees read at one time, as CAR or as JSON; a further one gets 429. Each reserves {@link STREAM_WINDOW_BYTES}. */
  readonly maxStreams: number
  /**
   * Largest description of one block (JSON), bytes, each of its blobs counted as {@link DESCRIBED_BLOB_TEXT_BYTES}; more is refused
   * with 413 `exceeds-limit`. A CAR has no such bound: it is streamed.
   */
  readonly maxAnswerBytes: number
}

export interface AdminListenerOptions extends HttpLimits {
  /** The node's data directory; the socket is `admin.sock` in it. */
  readonly dataDir: string
  /** Where the socket goes when its path in the data directory does not fit a socket address. */
  readonly fallbackDir: string
  /** Longest path a unix socket can have here, bytes: `sun_path` less its final zero. */
  readonly maxSocketPathBytes: number
  /** Largest JSON body, bytes. */
  readonly maxJsonBytes: number
}

export interface AdminClientOptions {
  /** Time within which the next bytes of an answer must arrive when the caller gave no signal, ms. */
  readonly timeoutMs: number
  /** Largest JSON answer, bytes: `status` with some hundred peers has about 100 KB. */
  readonly maxAnswerBytes: number
}

export interface HealthOptions {
  /** Ready needs this many connected peers, or all others of the identity table when there are fewer. */
  readonly minPeers: number
  /** Ready needs the consecutive height to be at most this many blocks behind the feed's highest. */
  readonly maxLag: number
}

export interface ApiOptions {
  readonly metrics: MetricsListenerOptions
  readonly api: ApiListenerOptions
  /** Readers of the API listener. */
  readonly reader: ExecutionDataReaderOptions
  /** Readers of the admin listener (exports): apart, so that a flood at the API cannot keep the operator out. */
  readonly adminReader: ExecutionDataReaderOptions
  readonly admin: Omit<AdminListenerOptions, 'dataDir' | 'fallbackDir'>
  readonly client: AdminClientOptions
  readonly health: HealthOptions
}

/** Most bytes that are handed to a socket at once. */
export const SLICE_BYTES = 65_536

/**
 * What a stream of a tree holds at most: one blob, shared with the store's cache at best, and a slice in the socket.
 * The next blob is asked for when the reader has taken this one.
 */
export const STREAM_WINDOW_BYTES = MAX_BLOB_BYTES + SLICE_BYTES

/**
 * What a blob takes in a description at most, bytes: 72 for its CID of 46 characters and its size, 69 where it is the top of a
 * chunk, for that chunk.
 */
export const DESCRIBED_BLOB_TEXT_BYTES = 160

/** What a blob of a description costs while it is made, bytes: its CID as an object and as a key, its entry, its text. */
export const DESCRIBED_BLOB_BYTES = 512

const limits: HttpLimits = {
  maxConnections: 256,
  maxInFlight: 128,
  maxHeaderBytes: 8_192,
  maxUrlLength: 2_048,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 65_000,
  writeDeadlineMs: 10_000,
  bodyDeadlineMs: 10_000,
  stopDeadlineMs: 5_000
}

/**
 * Defaults of the profile `standard`. 12 streams reserve 12.75 MiB of the 16 MiB of the budget's account `api`; the rest is
 * for single blobs and trees in JSON.
 */
export const defaultApiOptions: ApiOptions = Object.freeze({
  metrics: Object.freeze({
    ...limits,
    host: '127.0.0.1',
    port: 8080,
    allowedHosts: [],
    maxConnections: 64,
    maxInFlight: 32,
    maxScrapes: 4
  }),
  api: Object.freeze({ ...limits, host: '127.0.0.1', port: 8070, allowedHosts: [], maxBlobReads: 64 }),
  // 256 KiB describe 1,638 blobs, a block of some 1.6 GiB; with its window that fits into the account's floor.
  reader: Object.freeze({ name: 'api.reader', maxStreams: 12, maxAnswerBytes: 262_144 }),
  adminReader: Object.freeze({ name: 'api.adminReader', maxStreams: 2, maxAnswerBytes: 262_144 }),
  admin: Object.freeze({
    ...limits,
    maxConnections: 32,
    maxInFlight: 16,
    requestTimeoutMs: 0,
    maxSocketPathBytes: process.platform === 'linux' ? 107 : 103,
    maxJsonBytes: 1_048_576
  }),
  client: Object.freeze({ timeoutMs: 30_000, maxAnswerBytes: 16 * 1_048_576 }),
  health: Object.freeze({ minPeers: 1, maxLag: 100 })
})

function faultsOfLimits(name: string, options: HttpLimits): string[] {
  const faults: string[] = []
  const counts = ['maxConnections', 'maxInFlight', 'maxHeaderBytes', 'maxUrlLength'] as const
  const times = ['headersTimeoutMs', 'keepAliveTimeoutMs', 'writeDeadlineMs', 'bodyDeadlineMs'] as const
  for (const key of [...counts, ...times]) {
    if (!(Number.isSafeInteger(options[key]) && options[key] > 0)) {
      faults.push(`${name}.${key} is ${options[key]}: it must be a positive integer, or nothing could be answered`)
    }
  }
  for (const key of ['requestTimeoutMs', 'stopDeadlineMs'] as const) {
    if (!(Number.isSafeInteger(options[key]) && options[key] >= 0)) {
      faults.push(`${name}.${key} is ${options[key]}: it must be an integer of 0 or more`)
    }
  }
  if (options.maxUrlLength >= options.maxHeaderBytes) {
    faults.push(`${name}.maxUrlLength must be below ${name}.maxHeaderBytes, or it never takes effect`)
  }
  if (options.requestTimeoutMs > 0 && options.headersTimeoutMs > options.requestTimeoutMs) {
    faults.push(`${name}.headersTimeoutMs exceeds ${name}.requestTimeoutMs, which would end the request first`)
  }
  return faults
}

function faultsOfAddress(name: string, options: ListenAddress): string[] {
  const faults: string[] = []
  if (options.host === '') faults.push(`${name}.host is empty: the listener would stand open on every address`)
  if (!(Number.isInteger(options.port) && options.port >= 0 && options.port <= 65_535)) {
    faults.push(`${name}.port is ${options.port}: a port is 0 (any) to 65535`)
  }
  return faults
}

/** Says what would break, one sentence a fault; empty when the options fit each other. */
export function validateApiOptions(options: ApiOptions): string[] {
  const faults = [
    ...faultsOfLimits('metrics', options.metrics),
    ...faultsOfLimits('api', options.api),
    ...faultsOfLimits('admin', options.admin),
    ...faultsOfAddress('metrics', options.metrics),
    ...faultsOfAddress('api', options.api)
  ]
  const positive: readonly (readonly [string, number])[] = [
    ['metrics.maxScrapes', options.metrics.maxScrapes],
    ['api.maxBlobReads', options.api.maxBlobReads],
    ['reader.maxStreams', options.reader.maxStreams],
    ['adminReader.maxStreams', options.adminReader.maxStreams],
    ['reader.maxAnswerBytes', options.reader.maxAnswerBytes],
    ['adminReader.maxAnswerBytes', options.adminReader.maxAnswerBytes],
    ['admin.maxJsonBytes', options.admin.maxJsonBytes],
    ['admin.maxSocketPathBytes', options.admin.maxSocketPathBytes],
    ['client.timeoutMs', options.client.timeoutMs],
    ['client.maxAnswerBytes', options.client.maxAnswerBytes]
  ]
  for (const [key, value] of positive) {
    if (!(Number.isSafeInteger(value) && value > 0)) faults.push(`${key} is ${value}: it must be a positive integer`)
  }
  for (const key of ['minPeers', 'maxLag'] as const) {
    const value = options.health[key]
    if (!(Number.isSafeInteger(value) && value >= 0)) faults.push(`health.${key} is ${value}: it must be 0 or more`)
  }
  if (options.reader.maxStreams > options.api.maxInFlight) {
    faults.push('reader.maxStreams exceeds api.maxInFlight, which would refuse the request first')
  }
  return faults
}
