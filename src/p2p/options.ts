import type { Role } from '../model/index.ts'
import { DEFAULT_COLLECT_EVERY_BYTES, LEAST_COLLECT_EVERY_BYTES } from '../util/index.ts'
import { P2pError } from './errors.ts'
import type { HostPort } from './identity-table/address.ts'

/** Which handshakes are offered: both with TLS first, as go-libp2p does, or one alone. */
export type Security = 'both' | 'tls' | 'noise'

export interface PeerManagerOptions {
  /** Roles that are dialled; all staked peers may dial in. The others hold no execution data. */
  readonly roles: readonly Role[]
  /**
   * How long, ms, the peer with the higher id waits for the lower one's dial before it dials itself. Longer than a
   * handshake takes on a busy machine, or every pair ends up with two connections; short against a start.
   */
  readonly graceMs: number
  /** First repetition of a failed dial, ms; doubles from there. */
  readonly initialBackoffMs: number
  /** Longest pause between two dials, ms: how long a returned peer may stay unnoticed. */
  readonly maxBackoffMs: number
  /** Share of each pause that is random, 0 to 1, so that a network that restarts does not dial in step. */
  readonly jitter: number
  /** A dial with its handshake that takes longer, ms, has failed. */
  readonly dialTimeoutMs: number
  /**
   * A connection that lasted at least this long, ms, counts as a success and ends the back-off. A peer that refuses us
   * does so after the handshake: without this it would be dialled in a tight loop.
   */
  readonly stableMs: number
  /**
   * How long, ms, two connections to one peer are left alone before the extra one is closed: both sides must have seen
   * both, or one of them reports a disconnect that was none.
   */
  readonly duplicateSettleMs: number
  /** Most dials at a time: each costs a handshake of a few ms of CPU. */
  readonly maxParallelDials: number
  /** Pause, ms, during which a peer that misbehaved is neither dialled nor let in. */
  readonly cooldownMs: number
}

export const defaultPeerManagerOptions: PeerManagerOptions = Object.freeze({
  roles: Object.freeze(['access', 'execution'] as const),
  graceMs: 3_000,
  initialBackoffMs: 250,
  maxBackoffMs: 30_000,
  jitter: 0.5,
  dialTimeoutMs: 10_000,
  stableMs: 5_000,
  duplicateSettleMs: 1_000,
  maxParallelDials: 16,
  cooldownMs: 60_000
})

export interface HostOptions {
  /** Where to listen; port 0 takes any. */
  readonly listen: HostPort
  /** Stands in the agent version, `sealsync/<version>`. */
  readonly version: string
  readonly security: Security
  /** An inbound handshake that takes longer, ms, is cut: it holds one of the few pending slots. */
  readonly inboundUpgradeTimeoutMs: number
  /**
   * Largest receive window of a stream, bytes: what a peer can make us hold for each stream. At 2 MiB a stream carries
   * 40 MB/s over 50 ms.
   */
  readonly maxStreamWindowBytes: number
  /** A stream that carries data gets its largest window at once; otherwise it doubles, as Go's yamux has it. */
  readonly wideWindows: boolean
  /**
   * Most bytes that wait unread in a stream. Must not be below the window: a paused stream would be reset, since its peer
   * is entitled to send that much.
   */
  readonly maxReadBufferBytes: number
  /**
   * Bytes that a TLS connection is given at once, and the next when they have left. Node keeps two or three buffers of the length of such a
   * write for as long as the connection lives: with 128 KiB, and 64 KiB for reading, half a megabyte of every peer that was once sent much.
   */
  readonly writePieceBytes: number
  /** Bytes read from all connections between two collections of the young generation: see `ReadGarbage`. */
  readonly collectEveryBytes: number
  /** Most streams that a peer may hold open on a connection, over all protocols. boxo opens one for each response. */
  readonly maxInboundStreams: number
  /** Streams a peer may open per second on a connection, after the burst: each costs some 0.7 ms here. */
  readonly inboundStreamsPerSecond: number
  readonly inboundStreamsBurst: number
  /** Streams that may be refused for their rate, filled up by a quarter of it; one more cuts the connection. */
  readonly inboundStreamsExcess: number
  /** Pause, ms, between two pings of a connection that is silent. */
  readonly keepAliveIntervalMs: number
  /** A connection from which nothing at all came for so long, ms, though it was pinged, is dead. */
  readonly keepAliveTimeoutMs: number
  readonly peers: PeerManagerOptions
}

export const defaultHostOptions: HostOptions = Object.freeze({
  listen: Object.freeze({ host: '127.0.0.1', port: 0 }),
  version: '0.0.0',
  security: 'both',
  inboundUpgradeTimeoutMs: 8_000,
  maxStreamWindowBytes: 2_097_152,
  wideWindows: true,
  maxReadBufferBytes: 4_194_304,
  writePieceBytes: 131_072,
  collectEveryBytes: DEFAULT_COLLECT_EVERY_BYTES,
  maxInboundStreams: 1_024,
  inboundStreamsPerSecond: 400,
  inboundStreamsBurst: 1_600,
  inboundStreamsExcess: 1_600,
  keepAliveIntervalMs: 10_000,
  keepAliveTimeoutMs: 25_000,
  peers: defaultPeerManagerOptions
})

/** yamux's initial window, bytes: a smaller maximum breaks the protocol with foreign peers. */
const MIN_WINDOW = 262_144
/** The longest record of TLS. */
const MIN_PIECE = 16_384

/** Throws P2pError `option-invalid` (details: `option`) and says what would break. */
export function validateHostOptions(options: HostOptions): void {
  if (!['both', 'tls', 'noise'].includes(options.security)) fail('security', 'must be both, tls or noise')
  if (options.maxStreamWindowBytes < MIN_WINDOW) {
    fail('maxStreamWindowBytes', `below ${MIN_WINDOW} the first window of a peer would overflow it`)
  }
  if (options.maxReadBufferBytes < options.maxStreamWindowBytes) {
    fail('maxReadBufferBytes', 'below maxStreamWindowBytes a paused stream is reset under load')
  }
  if (!(options.writePieceBytes >= MIN_PIECE))
    fail('writePieceBytes', `below ${MIN_PIECE} a write is less than a record of TLS`)
  if (!(options.collectEveryBytes >= LEAST_COLLECT_EVERY_BYTES)) {
    fail('collectEveryBytes', `below ${LEAST_COLLECT_EVERY_BYTES} the process does little but collect`)
  }
  if (options.keepAliveTimeoutMs < 2 * options.keepAliveIntervalMs) {
    fail('keepAliveTimeoutMs', 'must be two intervals at least, or one lost answer cuts a live connection')
  }
  for (const option of ['maxInboundStreams', 'inboundStreamsPerSecond', 'inboundStreamsBurst'] as const) {
    if (!(options[option] >= 1)) fail(option, 'must be 1 or more, or no peer can open a stream')
  }
  if (!(options.inboundUpgradeTimeoutMs >= 100)) fail('inboundUpgradeTimeoutMs', 'below 100 ms no handshake can end')
  validatePeerManagerOptions(options.peers)
}

/** Throws P2pError `option-invalid` (details: `option`) and says what would break. */
function validatePeerManagerOptions(options: PeerManagerOptions): void {
  if (!(options.initialBackoffMs >= 1))
    fail('initialBackoffMs', 'must be 1 or more, or a dead peer is dialled in a loop')
  if (options.maxBackoffMs < options.initialBackoffMs) fail('maxBackoffMs', 'must not be below initialBackoffMs')
  if (!(options.jitter >= 0 && options.jitter <= 1)) fail('jitter', 'must lie between 0 and 1')
  if (!(options.maxParallelDials >= 1)) fail('maxParallelDials', 'must be 1 or more, or nobody is dialled')
  if (!(options.dialTimeoutMs >= 1)) fail('dialTimeoutMs', 'must be 1 or more, or every dial fails')
  for (const option of ['graceMs', 'stableMs', 'duplicateSettleMs', 'cooldownMs'] as const) {
    if (!(options[option] >= 0)) fail(option, 'must not be negative')
  }
}

function fail(option: string, why: string): never {
  throw new P2pError('option-invalid', `${option}: ${why}`, { details: { option } })
}
