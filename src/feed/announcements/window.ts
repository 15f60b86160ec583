import type { BlobCid, Height } from '../../model/index.ts'
import { type Candidate, HeightVotes } from './height-votes.ts'

/** Memory of one CID: object, digest and key. */
const CID_MEMORY_BYTES = 256

/**
 * The heights above the floor, up to a fixed number: what was announced of them, and which of them is the first that is not
 * settled. The floor is the last height that nobody needs any more.
 */
export class Window {
  readonly #heights = new Map<Height, HeightVotes>()
  readonly #capacity: number
  readonly #maxHintBytes: number
  #floor: Height
  #firstOpen: Height
  #hintBytes = 0

  constructor(floor: Height, limits: { readonly capacity: number; readonly maxHintBytes: number }) {
    this.#floor = floor
    this.#firstOpen = floor + 1
    this.#capacity = limits.capacity
    this.#maxHintBytes = limits.maxHintBytes
  }

  get floor(): Height {
    return this.#floor
  }

  /** The highest height it takes. */
  get top(): Height {
    return Math.min(this.#floor + this.#capacity, Number.MAX_SAFE_INTEGER)
  }

  get size(): number {
    return this.#heights.size
  }

  get hintBytes(): number {
    return this.#hintBytes
  }

  /** Lowest height above the floor that is not settled; beyond the top when all are. */
  get firstOpen(): Height {
    while (this.#heights.get(this.#firstOpen)?.settled !== undefined) this.#firstOpen += 1
    return this.#firstOpen
  }

  get(height: Height): HeightVotes | undefined {
    return this.#heights.get(height)
  }

  /** Only for heights in (floor, top]. */
  getOrCreate(height: Height, now: number): HeightVotes {
    const known = this.#heights.get(height)
    if (known !== undefined) return known
    const votes = new HeightVotes(height, now)
    this.#heights.set(height, votes)
    return votes
  }

  /** Forgets what lies outside the new window. */
  moveTo(floor: Height): void {
    const from = this.#floor
    this.#floor = floor
    this.#firstOpen = floor < from ? floor + 1 : Math.max(this.#firstOpen, floor + 1)
    if (floor - from > 0 && floor - from < this.#heights.size) {
      for (let height = from + 1; height <= floor; height += 1) this.#drop(height)
      return
    }
    for (const height of [...this.#heights.keys()]) if (height <= floor || height > this.top) this.#drop(height)
  }

  /** False when there is no room for it. */
  keepHint(candidate: Candidate, hint: readonly BlobCid[]): boolean {
    const bytes = hint.length * CID_MEMORY_BYTES
    if (this.#hintBytes + bytes > this.#maxHintBytes) return false
    this.#hintBytes += bytes
    candidate.hint = hint
    return true
  }

  dropHint(candidate: Candidate): void {
    this.#hintBytes -= (candidate.hint?.length ?? 0) * CID_MEMORY_BYTES
    candidate.hint = undefined
  }

  #drop(height: Height): void {
    for (const candidate of this.#heights.get(height)?.candidates ?? []) this.dropHint(candidate)
    this.#heights.delete(height)
  }
}
