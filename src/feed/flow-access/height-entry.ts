import { type Height, type SealedBlock, sameSeal } from '../../model/index.ts'
import type { HostState } from './host-state.ts'

/** What the hosts say of one height. Each has one vote; votes are forgotten together when they cannot settle it. */
export class HeightEntry {
  readonly height: Height
  readonly votes = new Map<HostState, SealedBlock>()
  /** Hosts being asked, with the time at which that began. */
  readonly asked = new Map<HostState, number>()
  /** Hosts that did not have it: how often, and when they are asked again. */
  readonly later = new Map<HostState, { readonly attempt: number; readonly at: number }>()
  /** The first valid answer. */
  first: SealedBlock | undefined
  settled: SealedBlock | undefined
  /** When all have voted and no quorum came of it. */
  contradictedAt: number | undefined

  constructor(height: Height) {
    this.height = height
  }

  /** Takes a host's vote; gives the block when that makes a quorum. `conflict` when it is the second opinion. */
  vote(host: HostState, block: SealedBlock, quorum: number): { readonly conflict: boolean } {
    const before = this.opinions()
    this.votes.set(host, block)
    this.first ??= block
    if (this.agreeing(block) >= quorum) this.settled = block
    return { conflict: before === 1 && this.opinions() === 2 }
  }

  /** Most votes for one and the same block. */
  get mostVotes(): number {
    let most = 0
    for (const block of this.votes.values()) most = Math.max(most, this.agreeing(block))
    return most
  }

  agreeing(block: SealedBlock): number {
    let count = 0
    for (const other of this.votes.values()) if (sameSeal(block, other)) count += 1
    return count
  }

  opinions(): number {
    const different: SealedBlock[] = []
    for (const block of this.votes.values()) if (!different.some((one) => sameSeal(one, block))) different.push(block)
    return different.length
  }
}
