import { type BackoffOptions, formatSize } from '../util/index.ts'

export interface AnnouncementsFeedOptions {
  /** Distinct execution nodes that must say the same before a block is settled; all staked ones where there are fewer. */
  readonly quorum: number
  /**
   * Heights kept ahead of what the consumer released. What lies beyond is forgotten but for the highest, and asked for again
   * when the window moves. 5,000 heights are over an hour at 1 block/s and some 5 MB.
   */
  readonly windowHeights: number
  /** Most bytes of hints kept for blocks not yet given out, about 256 a CID; a block beyond it goes without (its tree is then fetched level by level). */
  readonly maxHintBytes: number
  /**
   * How far above what a quorum claims, or what this node itself has reached, one announcer is believed, heights. 10,000 are
   * hours of blocks: more than honest nodes are apart, and little enough that the lag a liar can show stays plausible.
   */
  readonly suspiciousDistance: number
  /** A node that knows nothing yet believes the first claim when no second one came within this time, ms. */
  readonly firstClaimGraceMs: number
  /** Most heights in one request for replay; one request an announcer is under way at a time. */
  readonly requestHeights: number
  /** Heights asked of one node in a second. Each answer costs a signature check; the node and the transport limit the rate of both. */
  readonly requestHeightsPerSecond: number
  /** Shortest time between two requests to one node, ms. */
  readonly requestGapMs: number
  /** A request that brought nothing new for this long is over, ms. */
  readonly requestIdleMs: number
  /** A height skipped by live announcements is asked for after this time: another node's may be on its way, ms. */
  readonly holeGraceMs: number
  /** Other nodes are asked about a live block after this time: their announcements come by themselves, ms. */
  readonly settleGraceMs: number
  /** How often open heights are looked at while there are any, ms. */
  readonly tickMs: number
  /** Between rounds of requests to one announcer; grows while it brings nothing. */
  readonly backoff: BackoffOptions
}

export const defaultAnnouncementsFeedOptions: AnnouncementsFeedOptions = Object.freeze({
  quorum: 2,
  windowHeights: 5_000,
  maxHintBytes: 16 * 1024 ** 2,
  suspiciousDistance: 10_000,
  firstClaimGraceMs: 2_000,
  requestHeights: 500,
  requestHeightsPerSecond: 800,
  requestGapMs: 150,
  requestIdleMs: 2_000,
  holeGraceMs: 300,
  settleGraceMs: 2_000,
  tickMs: 100,
  backoff: Object.freeze({ initialMs: 500, maxMs: 30_000, jitter: 0.3 })
})

/** Says what would break, one sentence a fault; empty when the options are fine. */
export function validateAnnouncementsFeedOptions(options: AnnouncementsFeedOptions): string[] {
  const faults: string[] = []
  const { backoff, maxHintBytes, ...positive } = options
  for (const [name, value] of Object.entries(positive)) {
    if (!Number.isSafeInteger(value) || value < 1) faults.push(`${name} must be a positive integer, not ${value}`)
  }
  if (!(maxHintBytes >= 0)) faults.push(`maxHintBytes must be 0 or more, not ${maxHintBytes}`)
  if (options.requestHeights > options.windowHeights) {
    faults.push(
      `requestHeights ${options.requestHeights} exceeds windowHeights ${options.windowHeights}: answers would be thrown away`
    )
  }
  if (options.suspiciousDistance < options.windowHeights) {
    faults.push(
      `suspiciousDistance ${options.suspiciousDistance} is below windowHeights ${options.windowHeights}: heights in the window would count as suspicious`
    )
  }
  if (backoff.initialMs < 1 || backoff.maxMs < backoff.initialMs || backoff.jitter < 0 || backoff.jitter > 1) {
    faults.push(
      'backoff needs 1 ≤ initialMs ≤ maxMs and a jitter from 0 to 1: announcers would be asked without a pause'
    )
  }
  return faults
}

export interface FlowAccessOptions {
  /** Hosts that must say the same before a block is settled; all of them where there are fewer. */
  readonly quorum: number
  /** How often each host is asked for its latest sealed block, ms. Flow seals about one block in 0.8 s. */
  readonly pollMs: number
  /** A call that takes longer, ms, has failed, and the host is left alone for a while. */
  readonly callTimeoutMs: number
  /** A host that has not answered for so long, ms, is not waited for alone: the next one is asked too. */
  readonly hedgeMs: number
  /** Largest answer that is read, bytes. A result has some 300 bytes a chunk and its service events; those of an epoch have some 100 KiB. */
  readonly maxAnswerBytes: number
  /** Between two pings of a silent connection, ms. */
  readonly keepAliveMs: number
  /** Heights kept ahead of what the consumer released: some 300 bytes each. */
  readonly windowHeights: number
  /** Heights asked of all hosts at a time. A public host allows a client some tens of calls a second. */
  readonly maxParallelCalls: number
  /** How far above what the quorum claims, or what this node has reached, one host is believed, heights. */
  readonly suspiciousDistance: number
  /** How long the first claim waits for a second one while nothing is known, ms. */
  readonly firstClaimGraceMs: number
  /** Hosts that contradict one another about a height are all asked again after this time, ms. */
  readonly reaskMs: number
  /** Pauses of a host that failed, and between two questions to a host that does not have a block yet. */
  readonly backoff: BackoffOptions
}

export const defaultFlowAccessOptions: FlowAccessOptions = Object.freeze({
  quorum: 2,
  pollMs: 500,
  callTimeoutMs: 10_000,
  hedgeMs: 1_000,
  maxAnswerBytes: 4 * 1024 ** 2,
  keepAliveMs: 30_000,
  windowHeights: 512,
  maxParallelCalls: 8,
  suspiciousDistance: 10_000,
  firstClaimGraceMs: 2_000,
  reaskMs: 30_000,
  backoff: Object.freeze({ initialMs: 250, maxMs: 15_000, jitter: 0.3 })
})

/** Says what would break, one sentence a fault; empty when the options are fine. */
export function validateFlowAccessOptions(options: FlowAccessOptions): string[] {
  const faults: string[] = []
  const { backoff, ...positive } = options
  for (const [name, value] of Object.entries(positive)) {
    if (!Number.isSafeInteger(value) || value < 1) faults.push(`${name} must be a positive integer, not ${value}`)
  }
  if (options.hedgeMs > options.callTimeoutMs)
    faults.push('hedgeMs exceeds callTimeoutMs: a host that stalls holds up every block')
  if (options.suspiciousDistance < options.windowHeights) {
    faults.push('suspiciousDistance is below windowHeights: heights in the window would count as suspicious')
  }
  if (backoff.initialMs < 1 || backoff.maxMs < backoff.initialMs || backoff.jitter < 0 || backoff.jitter > 1) {
    faults.push('backoff needs 1 ≤ initialMs ≤ maxMs and a jitter from 0 to 1: hosts would be asked without a pause')
  }
  return faults
}

export interface BlockListOptions {
  /** Longest line, bytes. Flow's own lists have lines below 1 KiB; what is longer is another kind of file. */
  readonly maxLineBytes: number
  /** Read at once, bytes. */
  readonly chunkBytes: number
}

export const defaultBlockListOptions: BlockListOptions = Object.freeze({ maxLineBytes: 65_536, chunkBytes: 65_536 })

export interface FileFeedOptions extends BlockListOptions {
  readonly path: string
  /** Whether to wait for lines that are appended. Without it the feed ends with the file. */
  readonly follow: boolean
  /** How often a followed file is looked at, ms, where the system does not say that it changed. */
  readonly pollMs: number
  /** Every how many heights the place in the file is kept in memory, so that a reader can begin in the middle. */
  readonly markEvery: number
  /** Blocks given out and not released that are kept, so that settling them reads nothing; further ones are read again. */
  readonly maxRecentBlocks: number
}

/** All but the path. */
export const defaultFileFeedOptions: Omit<FileFeedOptions, 'path'> = Object.freeze({
  ...defaultBlockListOptions,
  follow: false,
  pollMs: 250,
  markEvery: 64,
  maxRecentBlocks: 4_096
})

/** Says what would break, one sentence a fault; empty when the options are fine. */
export function validateFileFeedOptions(options: FileFeedOptions): string[] {
  const faults: string[] = []
  if (options.path === '') faults.push('path is empty: give the block list as file:PATH')
  for (const name of ['pollMs', 'markEvery', 'maxRecentBlocks', 'maxLineBytes', 'chunkBytes'] as const) {
    const value = options[name]
    if (!Number.isSafeInteger(value) || value < 1) faults.push(`${name} must be a positive integer, not ${value}`)
  }
  if (options.maxLineBytes > 2 ** 24)
    faults.push(`maxLineBytes ${formatSize(options.maxLineBytes)} would hold that much in memory`)
  return faults
}
