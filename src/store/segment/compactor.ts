import { join } from 'node:path'
import type { Logger } from '../../log/logger.ts'
import { type Blob, BlobCid, verifyBlob } from '../../model/index.ts'
import { codeOf } from '../../util/index.ts'
import type { Disk, DiskFile } from '../disk.ts'
import type { StoreMetrics } from '../metrics.ts'
import { RECORD_HEADER_LENGTH, SEGMENT_HEADER_LENGTH, segmentName } from './format.ts'
import type { Location } from './index-space.ts'
import { deadBytesOf, type Ledger } from './ledger.ts'
import type { SegmentReader } from './reader.ts'
import { headsIn } from './scan.ts'
import type { WriteLoop } from './write-loop.ts'
import type { SegmentWriter } from './writer.ts'

export interface ReclaimBudget {
  /** Most bytes that a step reads and writes, a record more or less. */
  readonly maxBytes: number
  /** Dead segments are unlinked, and none is rewritten: more of them is about to die. */
  readonly unlinkOnly?: boolean
}

export interface ReclaimStep {
  /** Bytes of live blobs that were written anew. */
  readonly copiedBytes: number
  /** Bytes that the disk got back. */
  readonly freedBytes: number
  /** Whether another step would find something to do. */
  readonly more: boolean
}

export interface CompactorComponents {
  readonly disk: Disk
  readonly log: Logger
  readonly metrics: StoreMetrics
  readonly ledger: Ledger
  readonly writer: SegmentWriter
  readonly reader: SegmentReader
  readonly loop: WriteLoop
  /** Takes a damaged blob out of the index. */
  readonly drop: (cid: BlobCid, location: Location) => Promise<void>
}

export interface CompactorOptions {
  readonly directory: string
  readonly compactDeadShare: number
  readonly compactSlackBytes: number
}

/** A segment whose live records are being written anew: by its heads first, then, where a damaged head hid some, by the index. */
interface Rewriting {
  readonly segment: number
  offset: number
  /** Set once the segment's heads are through and records are still live: where the walk over the index goes on. */
  walk: Uint8Array | undefined
}

/** Read of a segment at once: some hundred small records, and no more than a head of a large one is wasted. */
const WINDOW_BYTES = 256 * 1024
/** Index entries looked at in a step of the walk: some 20 ms. */
const WALK_ENTRIES = 4_096
/** Segments unlinked in one step; each may be 256 MiB of extents for the file system to free. */
const UNLINKS = 8

/**
 * Gives space back, a step at a time.
 *
 * A segment with nothing live is unlinked. While more is dead than may be, the segment with the largest dead share is rewritten: its live
 * records are appended behind everything else (durable), the index is switched to the copies (durable), and only then is it
 * dead and unlinked. A crash in between leaves two copies, of which the opening takes the later, or a dead file, which the next
 * step unlinks.
 *
 * A file is unlinked only after an index batch that carries a checkpoint behind it: so no opening ever looks for it.
 */
export class Compactor {
  readonly #components: CompactorComponents
  readonly #options: CompactorOptions
  #rewriting: Rewriting | undefined

  constructor(components: CompactorComponents, options: CompactorOptions) {
    this.#components = components
    this.#options = options
  }

  async step({ maxBytes, unlinkOnly = false }: ReclaimBudget): Promise<ReclaimStep> {
    const freedBytes = await this.#unlinkDead()
    if (freedBytes !== undefined) return { copiedBytes: 0, freedBytes, more: true }
    if (unlinkOnly) return { copiedBytes: 0, freedBytes: 0, more: false }
    this.#rewriting ??= await this.#choose()
    if (this.#rewriting === undefined) return { copiedBytes: 0, freedBytes: 0, more: false }
    const copiedBytes = await this.#advance(this.#rewriting, maxBytes)
    this.#components.metrics.compactedBytes.inc(copiedBytes)
    return { copiedBytes, freedBytes: 0, more: true }
  }

  async #unlinkDead(): Promise<number | undefined> {
    const { disk, ledger, loop, metrics, reader, writer } = this.#components
    const newest = writer.position.segment
    const dead: (readonly [number, number])[] = []
    for (const [segment, { liveRecords, end }] of ledger.segments) {
      if (liveRecords > 0 || segment >= newest) continue
      dead.push([segment, end])
      if (dead.length === UNLINKS) break
    }
    if (dead.length === 0) return undefined
    await loop.run(() => loop.writeIndex())
    let freed = 0
    for (const [segment, end] of dead) {
      await reader.forget(segment)
      if (!(await unlinkIfThere(disk, this.#path(segment)))) continue
      freed += end
      metrics.segments.dec()
    }
    await disk.syncDirectory(this.#options.directory)
    await loop.run(async () => {
      for (const [segment] of dead) ledger.retire(segment)
    })
    metrics.reclaimedBytes.inc(freed)
    loop.publish()
    return freed
  }

  async #choose(): Promise<Rewriting | undefined> {
    const { ledger, loop, writer } = this.#components
    const { compactDeadShare, compactSlackBytes } = this.#options
    let live = 0
    let best: { readonly segment: number; readonly share: number } | undefined
    for (const [segment, held] of ledger.segments) {
      live += held.liveBytes
      const share = deadBytesOf(held) / held.end
      if (best === undefined || share > best.share) best = { segment, share }
    }
    if (best === undefined || ledger.deadBytes <= compactDeadShare * live + compactSlackBytes) return undefined
    const { segment } = best
    await loop.run(async () => {
      if (segment === writer.position.segment) await writer.rotate()
    })
    return { segment, offset: SEGMENT_HEADER_LENGTH, walk: undefined }
  }

  async #advance(rewriting: Rewriting, maxBytes: number): Promise<number> {
    if (rewriting.walk !== undefined) return this.#walkIndex(rewriting, rewriting.walk)
    const { disk, ledger } = this.#components
    const file = await disk.open(this.#path(rewriting.segment), 'read').catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error
    })
    let copied = 0
    let ended = file === undefined
    try {
      let spent = 0
      while (file !== undefined && !ended && spent < maxBytes) {
        const window = await this.#window(rewriting, file)
        copied += window.copied
        spent += window.read + 2 * window.copied
        ended = window.ended
      }
    } finally {
      await file?.close()
    }
    if (!ended) return copied
    if ((ledger.segments.get(rewriting.segment)?.liveRecords ?? 0) > 0) rewriting.walk = new Uint8Array(0)
    else this.#rewriting = undefined
    return copied
  }

  async #window(
    rewriting: Rewriting,
    file: DiskFile
  ): Promise<{ readonly read: number; readonly copied: number; readonly ended: boolean }> {
    const buffer = Buffer.allocUnsafe(WINDOW_BYTES)
    const chunk = buffer.subarray(0, await file.read(buffer, rewriting.offset))
    const { heads, next } = headsIn(chunk)
    const { segment, offset } = rewriting
    const found = heads.map((head) => ({
      cid: BlobCid.fromDigest(head.digest),
      location: { segment, offset: offset + head.at, length: head.length }
    }))
    const copied = await this.#copyLive(found)
    rewriting.offset = offset + next
    const ended = chunk.length < buffer.length && next + RECORD_HEADER_LENGTH > chunk.length
    return { read: chunk.length, copied, ended }
  }

  async #walkIndex(rewriting: Rewriting, from: Uint8Array): Promise<number> {
    const { ledger, loop } = this.#components
    if (from.length === 0) await loop.run(() => loop.writeIndex())
    const found: { cid: BlobCid; location: Location }[] = []
    let seen = 0
    let last: BlobCid | undefined
    for await (const [cid, location] of ledger.indexed(from)) {
      last = cid
      if (location.segment === rewriting.segment) found.push({ cid, location })
      seen += 1
      if (seen === WALK_ENTRIES) break
    }
    const copied = await this.#copyLive(found)
    if (seen === WALK_ENTRIES && last !== undefined) {
      rewriting.walk = last.digest
      return copied
    }
    // Nothing in the index points to it any more, whatever the sums say.
    await loop.run(async () => ledger.settle(rewriting.segment))
    this.#rewriting = undefined
    return copied
  }

  /** Copies those records that are where the index says; gives the bytes of their blobs. */
  async #copyLive(found: readonly { readonly cid: BlobCid; readonly location: Location }[]): Promise<number> {
    const { drop, ledger, reader } = this.#components
    const now = await ledger.locateMany(found.map(({ cid }) => cid))
    const live = found.filter(({ location }, at) => isSame(now[at], location))
    let copied = 0
    let blobs: Blob[] = []
    let places: Location[] = []
    const flush = async (): Promise<void> => {
      copied += await this.#copy(blobs, places)
      blobs = []
      places = []
    }
    let bytes = 0
    for (const { cid, location } of live) {
      const payload = await reader.read(location)
      const blob = payload === undefined ? undefined : verifyBlob(cid, payload)
      if (blob === undefined) {
        await drop(cid, location)
        continue
      }
      blobs.push(blob)
      places.push(location)
      bytes += location.length
      if (bytes < COPY_BYTES) continue
      await flush()
      bytes = 0
    }
    await flush()
    return copied
  }

  async #copy(blobs: readonly Blob[], places: readonly Location[]): Promise<number> {
    if (blobs.length === 0) return 0
    const { ledger, loop } = this.#components
    return loop.run(async () => {
      // Deleted, or put anew, while they were read.
      const now = await ledger.locateMany(blobs.map(({ cid }) => cid))
      const still = blobs.flatMap((blob, at) => {
        const place = places[at]
        return place !== undefined && isSame(now[at], place) ? [{ blob, place }] : []
      })
      const copies = still.map(({ blob }) => blob)
      await loop.append(
        copies,
        still.map(({ place }) => place)
      )
      return copies.reduce((sum, { bytes }) => sum + bytes.length, 0)
    })
  }

  #path(segment: number): string {
    return join(this.#options.directory, segmentName(segment))
  }
}

/** Blobs that are copied in one group: puts wait behind it. */
const COPY_BYTES = 1024 * 1024

function isSame(a: Location | undefined, b: Location): boolean {
  return a !== undefined && a.segment === b.segment && a.offset === b.offset && a.length === b.length
}

async function unlinkIfThere(disk: Disk, path: string): Promise<boolean> {
  try {
    await disk.unlink(path)
    return true
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return false
  }
}
