import type {
  Announcement,
  BlobCid,
  BlockId,
  ExecutionDataId,
  Height,
  PeerIdText,
  SealedBlock
} from '../../model/index.ts'

export interface Candidate {
  readonly blockId: BlockId
  readonly executionDataId: ExecutionDataId
  readonly announcedAtMs: number
  readonly live: boolean
  /** First announcer first. */
  readonly announcers: PeerIdText[]
  hint: readonly BlobCid[] | undefined
}

export type Vote = 'first' | 'vote' | 'conflict' | 'repeat' | 'equivocation'

/**
 * What execution nodes said about one height. Each has one vote, its first; so there are never more candidates than
 * execution nodes.
 */
export class HeightVotes {
  readonly height: Height
  /** When the first announcement came, by the monotonic clock. */
  readonly seenAt: number
  readonly candidates: Candidate[] = []
  settled: Candidate | undefined
  readonly #votes = new Map<PeerIdText, Candidate>()

  constructor(height: Height, seenAt: number) {
    this.height = height
    this.seenAt = seenAt
  }

  /** The one to act on: the settled one, before that the first announced. */
  get best(): Candidate | undefined {
    return this.settled ?? this.candidates[0]
  }

  /** Votes of the candidate that has most. */
  get mostVotes(): number {
    return this.candidates.reduce((most, { announcers }) => Math.max(most, announcers.length), 0)
  }

  hasVoted(peer: PeerIdText): boolean {
    return this.#votes.has(peer)
  }

  vote(
    peer: PeerIdText,
    announcement: Announcement,
    live: boolean
  ): { readonly vote: Vote; readonly candidate: Candidate } {
    const before = this.#votes.get(peer)
    if (before !== undefined)
      return { vote: saysSame(before, announcement) ? 'repeat' : 'equivocation', candidate: before }
    const known = this.candidates.find((candidate) => saysSame(candidate, announcement))
    const candidate = known ?? newCandidate(announcement, live)
    candidate.announcers.push(peer)
    this.#votes.set(peer, candidate)
    if (known !== undefined) return { vote: 'vote', candidate }
    this.candidates.push(candidate)
    return { vote: this.candidates.length === 1 ? 'first' : 'conflict', candidate }
  }

  blockOf({ blockId, executionDataId, announcedAtMs, live, announcers, hint }: Candidate): SealedBlock {
    const block: SealedBlock = {
      height: this.height,
      blockId,
      executionDataId,
      origins: [...announcers],
      announcedAtMs,
      live
    }
    return hint === undefined ? block : { ...block, hint }
  }
}

function newCandidate({ blockId, executionDataId, announcedAtMs }: Announcement, live: boolean): Candidate {
  return { blockId, executionDataId, announcedAtMs, live, announcers: [], hint: undefined }
}

function saysSame(candidate: Candidate, announcement: Announcement): boolean {
  return candidate.blockId === announcement.blockId && candidate.executionDataId === announcement.executionDataId
}
