import { MAX_BLOCK_BYTES } from '../model/index.ts'
import { ExchangeError } from './errors.ts'

/** All times in ms, all sizes in bytes. Defaults: `defaultExchangeOptions`. */
export interface ExchangeOptions {
  /**
   * Who is asked for a blob. `assigned`: the per-CID tree for hot blobs, striping for cold ones; `classic`: boxo's way,
   * for comparisons.
   */
  readonly policy: 'assigned' | 'classic'
  /** Largest message that is read. 4 MiB in ipfs/specs `src/bitswap-protocol.md`; more is refused at its header. */
  readonly maxMessageBytes: number
  /** Largest block that is read; refused at its header. */
  readonly maxBlockBytes: number
  /** Entries and presences of one message that are handled; the rest is refused. boxo never sends more than 1,024. */
  readonly maxEntriesPerMessage: number
  readonly client: ClientOptions
  readonly server: ServerOptions
  readonly streams: StreamOptions
}

export interface ClientOptions {
  /** Wants asked for or about to be at one time: 0.5 KiB each, 4 MiB in all. Further fetches wait in order. */
  readonly maxLiveWants: number
  /** Wants outstanding at one peer; boxo's server holds no more than 1,024 (`bitswap/internal/defaults/defaults.go`). */
  readonly maxWantsPerPeer: number
  /** Children of a node in a hot blob's tree: producers upload each blob this often. 3 to 6 behave alike. */
  readonly treeWidth: number
  /** A want of a hot session is hot for so long; by then nearly every node holds the blob. */
  readonly hotForMs: number
  /** Least acknowledgement time; below it the noise of any machine looks like silence. A higher one is learned where needed. */
  readonly ackFloorMs: number
  /** Most acknowledgement time, and the one before the round trip is known. */
  readonly ackCeilingMs: number
  readonly ackUnknownMs: number
  /** A peer that has acknowledged a want and is quiet is asked so often whether it is still there. */
  readonly aliveEveryMs: number
  /** A want that could not leave our side for so long moves on: the peer's stream does not open, or its window is shut. */
  readonly unsentMs: number
  /**
   * A peer to which blocks are on their way, and have been without a break or will be for so long, ms, with the round trip of its last answers
   * on top, is asked for nothing new while another can be. Over a slow link words wait behind a whole window of blocks, a second and more; a
   * tree of two levels waits twice. Longer than a blob of 1 MiB takes at 3 MiB/s. Nor is a peer that takes so long over a blob of 1 MiB, and four
   * times as long as others.
   */
  readonly ladenMs: number
  /** An acknowledged want moves on after this, plus the time for what was asked of the peer before it. */
  readonly hardLimitMs: number
  /** Least hard limit of a hot want; it is learned from deliveries, between this and `hardLimitMs`. */
  readonly hotLimitFloorMs: number
  /**
   * While many small cold blobs are under way, wants wait this long for others to be chosen for and sent with them: what is wanted, sent and
   * stored together costs less CPU. A tree of three levels takes so much longer three times, with dozens of them at a time.
   */
  readonly gatherMs: number
  /** A root that is no known origin and has not got the blob is waited for so long. */
  readonly nonOriginPatienceMs: number
  /** A block that brings no byte for so long has stalled: its stream is reset. */
  readonly stallMs: number
  /** A block must come at this rate, bytes a second, on the mean since its start, once `stallMs` have passed. */
  readonly minRateBytes: number
  /** Pause after a round that found nobody, doubling from the first to the second. */
  readonly roundBackoffMs: { readonly initialMs: number; readonly maxMs: number }
  /** A peer that was silent or stalled is passed over for so long, one that lied for twice as long; doubling with each strike up to the second. */
  readonly cooldownMs: { readonly initialMs: number; readonly maxMs: number }
  /** Cold bytes outstanding at a peer, estimated: grows with each delivery, halves with each failure. */
  readonly peerWindowBytes: { readonly initial: number; readonly min: number; readonly max: number }
  /** Size taken for a blob before any has come. */
  readonly firstSizeEstimateBytes: number
  /** Bytes of blocks being received, all peers together; beyond it streams are paused. */
  readonly receiveBytes: number
  /** The same for one peer, so that none can keep the others out: twice `peerWindowBytes.max`. */
  readonly receiveBytesPerPeer: number
  /**
   * Streams of one peer paused for want of room: each holds up to a window unread. One more is reset. A peer like us sends on
   * one stream; boxo on eight at most, since so many tasks of its server run at a time.
   */
  readonly maxPausedPerPeer: number
  /** Bytes nobody asked for that a peer may send before it is disconnected, besides `unsolicitedShare` of the useful. */
  readonly unsolicitedBytes: number
  readonly unsolicitedShare: number
  /** Of the policy `classic` alone. */
  readonly classic: ClassicOptions
}

/** boxo's constants; defaults as in boxo 0.42 `bitswap/client/internal/`. */
export interface ClassicOptions {
  /** A want-block is given up after this many times the mean answer time (`messagequeue/donthavetimeoutmgr.go`). */
  readonly timeoutFactor: number
  /** Weight of the newest answer in the mean. */
  readonly latencyWeight: number
  /** Bounds of that, and what it is before any answer. */
  readonly timeoutMs: { readonly min: number; readonly max: number; readonly unknown: number }
  /** Answers that took longer say nothing (`messagequeue/messagequeue.go`). */
  readonly longestAnswerMs: number
  /** What has not been answered for so long is sent again. */
  readonly resendMs: number
  /** Wants of one session at a time (`session/session.go`). */
  readonly maxLiveWants: number
  /** A session goes through its wants again: first after this, later after that and three times its mean delivery. */
  readonly tickMs: { readonly first: number; readonly later: number }
}

export interface ServerOptions {
  /** Wants kept for a peer; beyond it the oldest that cannot be served goes (CVE-2023-25568 is what happens without). */
  readonly maxWantsPerPeer: number
  /** A peer's stream gets its next block when less than this is unsent: keeps the pipe full, holds little. */
  readonly streamRoomBytes: number
  /** Bytes of blocks held for sending, each counted once however many recipients it has. */
  readonly sendBytes: number
  /** Peers to which a block is being written at one time: one child after another gets to forward it sooner. */
  readonly maxConcurrentWrites: number
  /** A write that takes longer no longer counts among the concurrent ones: a slow peer delays nobody. */
  readonly slowWriteMs: number
  /** How a peer reads is looked at so often: one that took too little meanwhile loses its stream and its queue. */
  readonly writeStallMs: number
  /**
   * Least bytes a second, on the mean over `writeStallMs`, at which a peer must take what it asked for: each holds up to
   * `streamRoomBytes` and a block. An eighth of `client.minRateBytes`, below which a peer like us gives up by itself.
   */
  readonly minSendRateBytes: number
  /** A peer that lost its stream so often without ever having taken all that was under way is disconnected. */
  readonly maxWriteStalls: number
  /** Deficit round robin's quantum: bytes a peer may get per round. */
  readonly quantumBytes: number
  /** Small blocks are packed into messages of up to this, and so much is written in one turn of the event loop. */
  readonly packBytes: number
  /** A want repeated within the larger of this and four round trips crossed its block on the way: ignored. */
  readonly repeatWindowMs: number
  /** Later repeats are paid from a bucket of so many bytes, refilled by so many a second. */
  readonly repeatBucketBytes: number
  readonly repeatBytesPerSecond: number
  /**
   * Wants of a peer that bring it no block, burst and rate a second: each costs a look-up, some 15 µs. One that ends in a
   * block sent is given back, so that nobody's catching up is limited by it.
   */
  readonly entryBurst: number
  readonly entriesPerSecond: number
  /** Store look-ups at one time. As many as a ledger has wants may wait for each peer; peers take turns. */
  readonly maxLookups: number
}

export interface StreamOptions {
  /** Inbound streams of one peer at one time; boxo opens one for each response. */
  readonly maxInboundPerPeer: number
  /** Inbound streams a peer may open: burst and rate a second; beyond both they are reset, and four bursts disconnect. */
  readonly inboundBurst: number
  readonly inboundPerSecond: number
  /** Opening one may take so long. */
  readonly openTimeoutMs: number
  /** Pause before a stream is opened again, doubling. */
  readonly reopenMs: { readonly initialMs: number; readonly maxMs: number }
  /**
   * A message must be complete after this, or come at `client.minRateBytes` on the mean; what stands before, between and
   * behind its blocks, in any case: a dribble holds no stream for ever.
   */
  readonly messageTimeoutMs: number
  /** Streams of one peer that may be reset for being slow: burst and rate a second; one more disconnects it. */
  readonly slowBurst: number
  readonly slowPerSecond: number
  /**
   * Bytes besides those of blocks that a peer may send, burst and rate a second; beyond both it is disconnected. What leads to
   * a block is given back, so these are wants of blobs that are not here, some 11,000 a second, and the like.
   */
  readonly wordBurstBytes: number
  readonly wordBytesPerSecond: number
  /** Unsent bytes on the control stream beyond which messages wait. */
  readonly controlUnsentBytes: number
  /** Blocks and answers go on a stream each, as boxo's do; otherwise on streams that stay open. */
  readonly perMessage: boolean
  /** Least pause between two messages with wants or cancels to a peer; 0 holds nothing back. */
  readonly wordPauseMs: number
  /** Presences that wait for one peer, and cancels; a peer that does not read loses further ones. */
  readonly maxPresences: number
  /** A control stream behind which words wait, and that takes no further message for so long, is reset. */
  readonly controlStallMs: number
}

const KIB = 1024
const MIB = 1024 * KIB

export const defaultExchangeOptions: ExchangeOptions = Object.freeze({
  policy: 'assigned',
  maxMessageBytes: 4 * MIB,
  maxBlockBytes: MAX_BLOCK_BYTES,
  maxEntriesPerMessage: 1024,
  client: Object.freeze({
    maxLiveWants: 8192,
    maxWantsPerPeer: 1000,
    treeWidth: 4,
    hotForMs: 10_000,
    ackFloorMs: 150,
    ackCeilingMs: 2000,
    ackUnknownMs: 500,
    aliveEveryMs: 300,
    unsentMs: 700,
    ladenMs: 400,
    hardLimitMs: 3000,
    hotLimitFloorMs: 1000,
    gatherMs: 6,
    nonOriginPatienceMs: 500,
    stallMs: 1200,
    minRateBytes: 64 * KIB,
    roundBackoffMs: Object.freeze({ initialMs: 250, maxMs: 3000 }),
    cooldownMs: Object.freeze({ initialMs: 30_000, maxMs: 600_000 }),
    peerWindowBytes: Object.freeze({ initial: 2 * MIB, min: 1 * MIB, max: 4 * MIB }),
    firstSizeEstimateBytes: 256 * KIB,
    receiveBytes: 64 * MIB,
    receiveBytesPerPeer: 8 * MIB,
    maxPausedPerPeer: 16,
    unsolicitedBytes: 2 * MIB,
    unsolicitedShare: 0.01,
    classic: Object.freeze({
      timeoutFactor: 2,
      latencyWeight: 0.5,
      timeoutMs: Object.freeze({ min: 50, max: 7000, unknown: 5000 }),
      longestAnswerMs: 30_000,
      resendMs: 30_000,
      maxLiveWants: 64,
      tickMs: Object.freeze({ first: 1000, later: 500 })
    })
  }),
  server: Object.freeze({
    maxWantsPerPeer: 1024,
    streamRoomBytes: 256 * KIB,
    sendBytes: 48 * MIB,
    maxConcurrentWrites: 4,
    slowWriteMs: 50,
    writeStallMs: 30_000,
    minSendRateBytes: 8 * KIB,
    maxWriteStalls: 3,
    quantumBytes: 256 * KIB,
    packBytes: 64 * KIB,
    repeatWindowMs: 2000,
    repeatBucketBytes: 16 * MIB,
    repeatBytesPerSecond: 1 * MIB,
    entryBurst: 16_384,
    entriesPerSecond: 4096,
    maxLookups: 256
  }),
  streams: Object.freeze({
    maxInboundPerPeer: 256,
    inboundBurst: 512,
    inboundPerSecond: 200,
    openTimeoutMs: 10_000,
    reopenMs: Object.freeze({ initialMs: 100, maxMs: 5000 }),
    messageTimeoutMs: 10_000,
    slowBurst: 64,
    slowPerSecond: 1,
    wordBurstBytes: 4 * MIB,
    wordBytesPerSecond: 512 * KIB,
    controlUnsentBytes: 64 * KIB,
    perMessage: false,
    wordPauseMs: 0,
    maxPresences: 4096,
    controlStallMs: 30_000
  })
})

/** A change to some of the options; what is not named keeps its default. */
/**
 * What the policy `classic` starts from: boxo's manners beside its way of asking. Eight workers write at one time for the
 * whole node (`bitswap/internal/defaults/defaults.go`), each answer has a stream of its own, words wait 20 ms after words.
 */
const classicExchangeOptions: ExchangeOptions = Object.freeze({
  ...defaultExchangeOptions,
  policy: 'classic',
  server: Object.freeze({ ...defaultExchangeOptions.server, maxConcurrentWrites: 8 }),
  streams: Object.freeze({ ...defaultExchangeOptions.streams, perMessage: true, wordPauseMs: 20 })
})

export interface ExchangeOptionsChange extends Partial<Omit<ExchangeOptions, 'client' | 'server' | 'streams'>> {
  readonly client?: Partial<ClientOptions>
  readonly server?: Partial<ServerOptions>
  readonly streams?: Partial<StreamOptions>
}

/** The policy's defaults with a change applied, validated. Throws ExchangeError `bad-option`. */
export function exchangeOptions(change: ExchangeOptionsChange = {}): ExchangeOptions {
  const defaults = change.policy === 'classic' ? classicExchangeOptions : defaultExchangeOptions
  const options = {
    ...defaults,
    ...change,
    client: { ...defaults.client, ...change.client },
    server: { ...defaults.server, ...change.server },
    streams: { ...defaults.streams, ...change.streams }
  }
  validateExchangeOptions(options)
  return options
}

/** Throws ExchangeError `bad-option` that says what would break. */
export function validateExchangeOptions(options: ExchangeOptions): void {
  const fail = (key: string, why: string): never => {
    throw new ExchangeError('bad-option', `exchange ${key}: ${why}`, { details: { key } })
  }
  const { client, server } = options
  if (options.policy !== 'assigned' && options.policy !== 'classic') {
    fail('policy', `there is no ${String(options.policy)}, and another in its place would falsify a comparison`)
  }
  if (options.maxBlockBytes > options.maxMessageBytes) fail('maxBlockBytes', 'no message could carry such a block')
  if (client.maxWantsPerPeer > 1024) fail('client.maxWantsPerPeer', "boxo's server forgets wants beyond 1,024")
  if (client.treeWidth < 1) fail('client.treeWidth', 'a parent needs at least one child, or nobody is fed')
  if (client.ackFloorMs > client.ackCeilingMs) fail('client.ackFloorMs', 'lies above client.ackCeilingMs')
  if (client.hotLimitFloorMs > client.hardLimitMs) fail('client.hotLimitFloorMs', 'lies above client.hardLimitMs')
  if (client.stallMs >= client.hardLimitMs) fail('client.stallMs', 'a stall must show before the hard limit')
  if (client.classic.maxLiveWants < 1) fail('client.classic.maxLiveWants', 'no session would ever ask for anything')
  if (client.aliveEveryMs < 1) fail('client.aliveEveryMs', 'peers would be asked without a pause')
  if (client.receiveBytes < options.maxBlockBytes)
    fail('client.receiveBytes', 'the largest block could never be received')
  if (server.maxConcurrentWrites < 1) fail('server.maxConcurrentWrites', 'nothing would ever be sent')
  if (server.sendBytes < options.maxBlockBytes) fail('server.sendBytes', 'the largest block could never be sent')
  if (server.quantumBytes < 1) fail('server.quantumBytes', 'no peer would ever be due')
  const windows = client.peerWindowBytes
  if (windows.min > windows.initial || windows.initial > windows.max) {
    fail('client.peerWindowBytes', 'must be in the order min, initial, max')
  }
}
