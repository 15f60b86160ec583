import { join } from 'node:path'
import type { Logger } from '../../log/logger.ts'
import type { BlobCid } from '../../model/index.ts'
import type { Disk, DiskFile } from '../disk.ts'
import type { StoreMetrics } from '../metrics.ts'
import {
  RECORD_HEADER_LENGTH,
  SEGMENT_HEADER_LENGTH,
  type SegmentHeader,
  segmentName,
  segmentNumber
} from './format.ts'
import type { Checkpoint, Location, SegmentIndex } from './index-space.ts'
import { Ledger, type WritePosition } from './ledger.ts'
import { type FoundRecord, readSegmentHeader, scanSegment } from './scan.ts'
import type { ResumableSegment } from './writer.ts'

export interface RecoveryComponents {
  readonly disk: Disk
  readonly index: SegmentIndex
  readonly log: Logger
  readonly metrics: StoreMetrics
  readonly onDamaged?: (cid: BlobCid) => void
}

export interface Recovered {
  readonly ledger: Ledger
  /** Number of the next new segment. */
  readonly next: number
  readonly resumable: ResumableSegment | undefined
}

interface SegmentFile {
  readonly number: number
  readonly bytes: number
}

/**
 * What an opening does: everything behind the checkpoint is scanned, complete records are indexed, the rest of the newest
 * segment is cut. Without an index the checkpoint is the beginning, and so the index is made anew. What the index says is in a file that
 * is missing, shorter or another's is taken out of it, so that it can be fetched and put again; a file that is not ours is set
 * aside under another name.
 */
export async function recover(components: RecoveryComponents, options: RecoveryOptions): Promise<Recovered> {
  const { disk, index, metrics } = components
  await disk.makeDirectory(options.directory)
  // A process killed between the two syncs of a new segment leaves its entry in the directory unsynced.
  await disk.syncDirectory(options.directory)
  const checkpoint = await index.checkpoint()
  const segments = await listSegments(disk, options.directory)
  const ledger = await Ledger.open(index, checkpoint)
  const recovery = new Recovery(components, ledger, options)
  let resumable: ResumableSegment | undefined
  for (const segment of segments) {
    if (segment.number < (checkpoint?.segment ?? 0)) await recovery.older(segment)
    else resumable = await recovery.segment(segment, startOf(segment, checkpoint))
  }
  recovery.missing(segments)
  const next = Math.max((segments.at(-1)?.number ?? 0) + 1, nextAfter(checkpoint, resumable))
  const position = positionOf(resumable, next)
  await recovery.dropLost(position)
  if (recovery.changed) await ledger.write(position)
  const left = await listSegments(disk, options.directory)
  metrics.segments.set(left.length)
  return { ledger, next, resumable }
}

/** A number whose file had records is not given again: the checkpoint would hide what is written to the new one. */
function nextAfter(checkpoint: Checkpoint | undefined, resumable: ResumableSegment | undefined): number {
  if (checkpoint === undefined) return 1
  const untouched = checkpoint.offset === SEGMENT_HEADER_LENGTH && resumable === undefined
  return untouched ? checkpoint.segment : checkpoint.segment + 1
}

function positionOf(resumable: ResumableSegment | undefined, next: number): WritePosition {
  return resumable === undefined
    ? { segment: next, offset: SEGMENT_HEADER_LENGTH }
    : { segment: resumable.number, offset: resumable.offset }
}

async function listSegments(disk: Disk, directory: string): Promise<SegmentFile[]> {
  const files = await disk.list(directory)
  return files
    .flatMap(({ name, bytes }) => {
      const number = segmentNumber(name)
      return number === undefined ? [] : [{ number, bytes }]
    })
    .sort((a, b) => a.number - b.number)
}

function startOf(segment: SegmentFile, checkpoint: Checkpoint | undefined): number {
  return segment.number === checkpoint?.segment ? checkpoint.offset : SEGMENT_HEADER_LENGTH
}

interface RecoveryOptions {
  readonly directory: string
  readonly indexEveryRecords: number
}

class Recovery {
  /** Whether the ledger knows what the index does not. */
  changed = false
  readonly #components: RecoveryComponents
  readonly #ledger: Ledger
  readonly #options: RecoveryOptions
  /** Segments of which something is lost, by where they end now. */
  readonly #lost = new Map<number, number>()

  constructor(components: RecoveryComponents, ledger: Ledger, options: RecoveryOptions) {
    this.#components = components
    this.#ledger = ledger
    this.#options = options
  }

  /** A segment from before the checkpoint: not opened, as long as the index and the directory agree on it. */
  async older({ number, bytes }: SegmentFile): Promise<void> {
    const held = this.#ledger.segments.get(number)
    if (held === undefined) await this.#setAside(number, 'the index knows no segment of this number')
    else if (bytes < held.end) this.#loses(number, bytes)
  }

  /** Notes the segments that the index knows and the directory has not. */
  missing(segments: readonly SegmentFile[]): void {
    const there = new Set(segments.map(({ number }) => number))
    for (const [number, held] of this.#ledger.segments) {
      if (there.has(number)) continue
      if (held.liveRecords > 0) this.#loses(number, 0)
      else this.#retire(number)
    }
  }

  /** Gives the segment back when it can be written on. */
  async segment({ number, bytes }: SegmentFile, from: number): Promise<ResumableSegment | undefined> {
    const { disk, log, metrics } = this.#components
    const path = join(this.#options.directory, segmentName(number))
    const live = (this.#ledger.segments.get(number)?.liveRecords ?? 0) > 0
    if (from === SEGMENT_HEADER_LENGTH && bytes <= from && !live) {
      // Created, and then the power went: nothing of it was ever acknowledged.
      await disk.unlink(path)
      return undefined
    }
    const file = await disk.open(path, 'write')
    let header: SegmentHeader | undefined
    try {
      header = await readSegmentHeader(file)
      if (header?.number === number && bytes >= from) return await this.#takeUp(file, { ...header, from, bytes })
    } finally {
      await file.close()
    }
    if (!live) await this.#setAside(number, header === undefined ? 'its head is damaged' : 'it is another segment')
    else if (header !== undefined && header.number !== number) {
      this.#loses(number, 0)
      await this.#setAside(number, 'it is another segment')
    } else {
      if (bytes < from) this.#loses(number, bytes)
      metrics.damagedSegments.inc()
      log.warn(
        { segment: segmentName(number), bytes, indexedTo: from },
        'segment file is damaged or cut short: it is read and not written on'
      )
    }
    return undefined
  }

  /** Takes what was lost out of the index. Walks the whole index, which only happens when files were tampered with or died. */
  async dropLost(position: WritePosition): Promise<void> {
    if (this.#lost.size === 0) return
    const { log, metrics } = this.#components
    let removed = new Map<BlobCid, Location>()
    let blobs = 0
    const flush = async (): Promise<void> => {
      blobs += removed.size
      await this.#ledger.write(position, removed)
      for (const cid of removed.keys()) this.#components.onDamaged?.(cid)
      removed = new Map()
    }
    for await (const [cid, location] of this.#ledger.indexed()) {
      const end = this.#lost.get(location.segment)
      if (end === undefined || location.offset + RECORD_HEADER_LENGTH + location.length <= end) continue
      // A later copy, found by the scan, is what counts.
      const now = await this.#ledger.locate(cid)
      if (now?.segment !== location.segment || now.offset !== location.offset) continue
      removed.set(cid, location)
      if (removed.size >= this.#options.indexEveryRecords) await flush()
    }
    for (const [number, end] of this.#lost) {
      if (end === 0) this.#ledger.settle(number)
      else this.#ledger.limit(number, end)
    }
    await flush()
    metrics.lostBlobs.inc(blobs)
    log.warn(
      { segments: [...this.#lost.keys()].slice(0, 10).map(segmentName), blobs },
      'segment files are missing, cut short or not ours: what they held is fetched again when it is needed'
    )
  }

  #loses(number: number, end: number): void {
    this.#components.metrics.damagedSegments.inc()
    this.#lost.set(number, end)
  }

  #retire(number: number): void {
    this.#ledger.retire(number)
    this.changed = true
  }

  /** Nothing that the index knows is live in it. It keeps its bytes, for whoever wants to look. */
  async #setAside(number: number, reason: string): Promise<void> {
    const { disk, log, metrics } = this.#components
    const name = segmentName(number)
    const path = join(this.#options.directory, name)
    await disk.rename(path, `${path}.aside`)
    metrics.damagedSegments.inc()
    log.warn(
      { segment: name, reason },
      'segment file set aside: nothing of it is used, delete it when you have looked at it'
    )
  }

  async #takeUp(
    file: DiskFile,
    { number, salt, from, bytes }: SegmentHeader & { readonly from: number; readonly bytes: number }
  ): Promise<ResumableSegment> {
    if (bytes === from) return { number, salt, offset: from }
    // What a killed process left in the page cache is read here but may not be on the disk: first that, then the index.
    await file.datasync()
    const offset = await this.#scan(file, { number, salt, from })
    if (offset < bytes) await this.#cut(file, { number, offset, bytes })
    return { number, salt, offset }
  }

  async #scan(
    file: DiskFile,
    segment: { readonly number: number; readonly salt: number; readonly from: number }
  ): Promise<number> {
    const { log, metrics } = this.#components
    let found = 0
    const scan = await scanSegment(file, segment, async (records) => {
      found += records.length
      await this.#take(segment.number, records)
    })
    metrics.recoveredBlobs.inc(found)
    const { damagedBytes } = scan
    const fields = { segment: segmentName(segment.number), blobs: found, damagedBytes }
    if (damagedBytes > 0) log.warn(fields, 'blobs indexed again, with damaged bytes between them')
    else if (found > 0) log.info(fields, 'blobs indexed again')
    return scan.end
  }

  async #take(segment: number, records: readonly FoundRecord[]): Promise<void> {
    for (const { cid, offset, length } of records) {
      this.changed = true
      const location: Location = { segment, offset, length }
      // This copy has just been verified, so it takes the place of one that the index may know.
      this.#ledger.add(cid, location, await this.#ledger.locate(cid))
    }
    const last = records.at(-1)
    if (last === undefined || this.#ledger.unindexed < this.#options.indexEveryRecords) return
    await this.#ledger.write({ segment, offset: last.offset + RECORD_HEADER_LENGTH + last.length })
  }

  async #cut(
    file: DiskFile,
    { number, offset, bytes }: { readonly number: number; readonly offset: number; readonly bytes: number }
  ): Promise<void> {
    await file.truncate(offset)
    await file.datasync()
    this.#components.metrics.cutBytes.inc(bytes - offset)
    this.#components.log.info(
      { segment: segmentName(number), bytes: bytes - offset },
      'torn tail of a segment file cut'
    )
  }
}
