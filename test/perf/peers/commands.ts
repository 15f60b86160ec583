/** What the commands of a peer take and give; every contender's peer understands the same. See README.md beside this file. */

export interface NodeAddress {
  readonly peerId: string
  /** `X ‖ Y` of the P-256 point, hex; empty where the contender has none. */
  readonly publicKey: string
  readonly role: 'access' | 'execution'
  /** Port on 127.0.0.1 to dial. */
  readonly port: number
}

export interface ListenInput {
  readonly security?: 'tls' | 'noise'
  /** Blobs that are kept, the newest; without it all. */
  readonly keep?: number
  /** sealsync: who is asked for a blob. */
  readonly policy?: 'assigned' | 'classic'
  /**
   * Flow's channel for staked nodes, or for observers; the staked one without it. sealsync: `plain` is bitswap without a prefix, with a key that
   * every libp2p reads, to whoever dials.
   */
  readonly channel?: 'staked' | 'public' | 'plain'
  /** sealsync: whatever others send is put up with, for a peer that provokes it. */
  readonly forgiving?: boolean
  /** boxo: long timeouts, as celestia-node sets them. */
  readonly patient?: boolean
}

export interface ListenOutput {
  readonly peerId: string
  readonly publicKey: string
  readonly port: number
  readonly version: string
}

export interface PutInput {
  /** Seeds `from` to `from + count − 1`. */
  readonly from: number
  readonly count: number
  readonly size: number
  /** Made anew for every reader instead of being kept: for more data than memory should hold. */
  readonly onDemand?: boolean
}

export interface WantInput {
  /** Digests, hex. */
  readonly cids: readonly string[]
  readonly hot?: boolean
  /** Peer ids of those who announced them. */
  readonly origins?: readonly string[]
  /** How many at a time; without it all at once. */
  readonly inFlight?: number
  /** boxo: a session for every CID, one for all wants of the process, or one for this want (default). */
  readonly session?: 'each' | 'shared' | 'one'
}

/** Times are milliseconds of CLOCK_MONOTONIC, in the order of the CIDs. */
export interface WantOutput {
  readonly startedAt: number
  readonly storedAt: readonly number[]
}

export interface StatsOutput {
  readonly payloadBytes: {
    readonly received: number
    readonly useful: number
    readonly duplicate: number
    readonly partial: number
    readonly sent: number
  }
  readonly blobs: { readonly received: number; readonly duplicate: number; readonly sent: number }
  /** Want-blocks and cancels sent, where the peer can tell: boxo's tracer does not see them. */
  readonly wants?: { readonly sent: number; readonly cancelled: number }
  readonly messages: { readonly received: number; readonly sent: number }
  /** Of the exchange's protocol. `openPerPeer`: the most at one peer. */
  readonly streams: { readonly opened: number; readonly open: number; readonly openPerPeer: number }
  /** Most bytes held for sending at one time, where the peer can tell. */
  readonly sendBytesPeak?: number
  readonly loopLagP99Ms?: number
  /** Peers disconnected for misbehaving, by reason, where the peer can tell. */
  readonly cooldowns?: Readonly<Record<string, number>>
}

/** Of the hostile peer alone. */
export interface AttackInput {
  readonly mode: string
  /** Whom it is aimed at; what goes wrong in an answer goes wrong for everybody. */
  readonly target: string
  /** Digests of blobs that the target has. */
  readonly cids: readonly string[]
}

export interface CalmOutput {
  /** What it did: wants, messages, streams, blocks or words, whichever its mode counts. */
  readonly done: number
  /** How often it had to wait for a connection. */
  readonly shutOut: number
}
