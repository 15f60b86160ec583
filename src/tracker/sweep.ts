import type { BlobCid, Height } from '../model/index.ts'
import type { KeyValueOperation, KeyValueSpace } from '../store/key-value.ts'
import { type FreeBlobs, readBlocks } from './pruning.ts'
import {
  ALL_OWNERS,
  ALL_REFERENCES,
  blockKey,
  cidOfOwner,
  decodeSweep,
  encodeSweep,
  heightBytes,
  heightOfBlock,
  heightOfReference,
  listKey,
  listsEnd,
  ownerKey,
  readHeight,
  referencesAbove,
  SWEEP_KEY,
  SWEPT_KEY,
  type SweepRecord
} from './records.ts'
import { haveReferences } from './references.ts'

/** Records looked at for each that a step may take away: what stays is passed over, but not without end. */
const LOOKED_AT = 8
/** Lists of heights in one step: up to 32 KiB each. */
const LISTS = 64

export interface SweepStep {
  /** Owners and references taken away. */
  readonly references: number
  readonly freed: number
  readonly done: boolean
}

interface SweeperComponents {
  readonly space: KeyValueSpace
  /** Whether steps before the one that is recorded may have been lost. */
  readonly unclean?: boolean
}

interface Swept {
  readonly free: readonly BlobCid[]
  readonly gone: readonly Uint8Array[]
  /** The record where the next step begins; `undefined` at the end of the range. */
  readonly next: Uint8Array | undefined
}

/**
 * Takes away all heights up to one, in the order of the keys and not of the heights.
 *
 * Digests are random: height by height each blob is looked up and deleted somewhere else in the index, and of millions Level writes
 * anew some sixty times what is deleted. In the order of the keys, which is the order of the store's index too, reading and deleting go
 * through both from one end to the other once.
 *
 * Flow: owners, whose blobs are deleted where no later height refers to them → references of shared blobs → lists → blocks. Where it is
 * lies in a record that each step writes along with what it deletes: a restart repeats a step at most. None of it is synced, and after a
 * power cut a later step may be there and an earlier one not, also when the last one is; so whoever did not end in order begins again, and
 * reads what is left. For that the end of a sweep is on record until the next start in order.
 *
 * Invariant: the pruned height is durable before anything goes, and so nobody is told of a height that is half gone.
 */
export class Sweeper {
  readonly #space: KeyValueSpace
  #sweep: SweepRecord | undefined

  private constructor(space: KeyValueSpace, sweep: SweepRecord | undefined) {
    this.#space = space
    this.#sweep = sweep
  }

  /** Throws TrackerError `corrupt`, and what the space throws. */
  static async open({ space, unclean = false }: SweeperComponents): Promise<Sweeper> {
    const [value, swept] = await space.getMany([SWEEP_KEY, SWEPT_KEY])
    if (swept !== undefined && !unclean) await space.batch([{ type: 'del', key: SWEPT_KEY }], { sync: false })
    const sweep = value === undefined ? undefined : decodeSweep(value)
    if (!unclean) return new Sweeper(space, sweep)
    if (sweep !== undefined) return new Sweeper(space, fromTheFirst(sweep.to, sweep.heights))
    // What is left of one that had ended is next to nothing.
    return new Sweeper(space, swept === undefined ? undefined : fromTheFirst(readHeight(swept), 1))
  }

  /** Up to which height it sweeps; `undefined` when it does not. */
  get to(): Height | undefined {
    return this.#sweep?.to
  }

  /** The heights it sweeps, by the share of them that is left. */
  get heightsLeft(): number {
    const sweep = this.#sweep
    if (sweep === undefined) return 0
    const [, first = 0, second = 0] = sweep.phase === 'owners' ? sweep.from : [0, 255, 255]
    return Math.max(1, Math.round(sweep.heights * (1 - (first * 256 + second) / 65_536)))
  }

  /** What to write, with the pruned height, for a sweep to begin. */
  begin(to: Height, heights: number): KeyValueOperation {
    this.#sweep = fromTheFirst(to, heights)
    return { type: 'put', key: SWEEP_KEY, value: encodeSweep(this.#sweep) }
  }

  /** One step; call it only while there is a sweep. Rejects as `free` does, and with what the space throws; the next step goes on. */
  async step({ maxBlobs, free }: { readonly maxBlobs: number; readonly free: FreeBlobs }): Promise<SweepStep> {
    const sweep = this.#sweep
    if (sweep === undefined) return { references: 0, freed: 0, done: true }
    const swept = await this.#look(sweep, maxBlobs)
    if (swept.free.length > 0) await free(swept.free)
    const next = swept.next === undefined ? nextPhase(sweep) : { ...sweep, from: swept.next }
    const records: KeyValueOperation[] =
      next === undefined
        ? [
            { type: 'del', key: SWEEP_KEY },
            { type: 'put', key: SWEPT_KEY, value: heightBytes(sweep.to) }
          ]
        : [{ type: 'put', key: SWEEP_KEY, value: encodeSweep(next) }]
    // Not synced: what is lost of it is found and taken away again.
    await this.#space.batch([...swept.gone.map((key) => ({ type: 'del', key }) as const), ...records], { sync: false })
    this.#sweep = next
    return { references: swept.gone.length, freed: swept.free.length, done: next === undefined }
  }

  #look(sweep: SweepRecord, maxBlobs: number): Promise<Swept> {
    switch (sweep.phase) {
      case 'owners':
        return this.#owners(sweep, maxBlobs)
      case 'references':
        return this.#keys(sweep, {
          lt: ALL_REFERENCES.lt,
          most: maxBlobs,
          goes: (key) => heightOfReference(key) <= sweep.to
        })
      case 'lists':
        return this.#keys(sweep, { lt: listsEnd(sweep.to), most: LISTS, goes: () => true })
      case 'blocks':
        return this.#blocks(sweep, maxBlobs)
    }
  }

  async #owners({ from, to }: SweepRecord, maxBlobs: number): Promise<Swept> {
    const free: BlobCid[] = []
    const several: BlobCid[] = []
    let next: Uint8Array | undefined
    let seen = 0
    for await (const [key, value] of this.#space.entries({ gte: from, lt: ALL_OWNERS.lt })) {
      if (free.length + several.length >= maxBlobs || seen >= LOOKED_AT * maxBlobs) {
        next = key
        break
      }
      seen += 1
      if (value.length === 0) several.push(cidOfOwner(key))
      else if (readHeight(value) <= to) free.push(cidOfOwner(key))
    }
    const wanted = await haveReferences(this.#space, several, (cid) => referencesAbove(cid, to))
    for (const cid of several) if (!wanted.has(cid.key)) free.push(cid)
    return { free, gone: free.map(ownerKey), next }
  }

  async #keys(
    { from }: SweepRecord,
    range: { readonly lt: Uint8Array; readonly most: number; readonly goes: (key: Uint8Array) => boolean }
  ): Promise<Swept> {
    const gone: Uint8Array[] = []
    let seen = 0
    for await (const [key] of this.#space.entries({ gte: from, lt: range.lt })) {
      if (gone.length >= range.most || seen >= LOOKED_AT * range.most) return { free: [], gone, next: key }
      seen += 1
      if (range.goes(key)) gone.push(key)
    }
    return { free: [], gone, next: undefined }
  }

  async #blocks({ from, to }: SweepRecord, maxBlobs: number): Promise<Swept> {
    const { keys, next } = await readBlocks(this.#space, { from: heightOfBlock(from), to, most: maxBlobs })
    return { free: [], gone: keys, next: next > to ? undefined : blockKey(next) }
  }
}

const fromTheFirst = (to: Height, heights: number): SweepRecord => ({
  to,
  heights,
  phase: 'owners',
  from: ALL_OWNERS.gte
})

function nextPhase(sweep: SweepRecord): SweepRecord | undefined {
  switch (sweep.phase) {
    case 'owners':
      return { ...sweep, phase: 'references', from: ALL_REFERENCES.gte }
    case 'references':
      return { ...sweep, phase: 'lists', from: listKey(0, 0) }
    case 'lists':
      return { ...sweep, phase: 'blocks', from: blockKey(0) }
    case 'blocks':
      return undefined
  }
}
