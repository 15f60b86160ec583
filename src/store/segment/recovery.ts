import { join } from 'node:path'
import type { Logger } from '../../log/logger.ts'
import type { Disk, DiskFile } from '../disk.ts'
import type { StoreMetrics } from '../metrics.ts'
import { RECORD_HEADER_LENGTH, SEGMENT_HEADER_LENGTH, segmentName, segmentNumber } from './format.ts'
import type { Checkpoint, Location, SegmentIndex } from './index-space.ts'
import { Ledger } from './ledger.ts'
import { type FoundRecord, readSalt, scanSegment } from './scan.ts'
import type { ResumableSegment } from './writer.ts'

export interface RecoveryComponents {
  readonly disk: Disk
  readonly index: SegmentIndex
  readonly log: Logger
  readonly metrics: StoreMetrics
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
 * segment is cut. Without an index the checkpoint is the beginning, and so the index is made anew.
 */
export async function recover(
  components: RecoveryComponents,
  options: { readonly directory: string; readonly indexEveryRecords: number }
): Promise<Recovered> {
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
    if (segment.number < (checkpoint?.segment ?? 0)) continue
    resumable = await recovery.segment(segment, startOf(segment, checkpoint))
  }
  const newest = segments.at(-1)?.number ?? 0
  const next = Math.max(newest + 1, checkpoint?.segment ?? 1)
  if (recovery.changed) {
    const { number: segment, offset } = resumable ?? { number: next, offset: SEGMENT_HEADER_LENGTH }
    await ledger.write({ segment, offset })
  }
  metrics.segments.set((await disk.list(options.directory)).length)
  return { ledger, next, resumable }
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

class Recovery {
  /** Whether the ledger knows what the index does not. */
  changed = false
  readonly #components: RecoveryComponents
  readonly #ledger: Ledger
  readonly #directory: string
  readonly #indexEveryRecords: number

  constructor(
    components: RecoveryComponents,
    ledger: Ledger,
    options: { readonly directory: string; readonly indexEveryRecords: number }
  ) {
    this.#components = components
    this.#ledger = ledger
    this.#directory = options.directory
    this.#indexEveryRecords = options.indexEveryRecords
  }

  /** Gives the segment back when it can be written on. */
  async segment({ number, bytes }: SegmentFile, from: number): Promise<ResumableSegment | undefined> {
    const { disk, log, metrics } = this.#components
    const path = join(this.#directory, segmentName(number))
    if (from === SEGMENT_HEADER_LENGTH && bytes <= from) {
      // Created, and then the power went: nothing of it was ever acknowledged.
      await disk.unlink(path)
      return undefined
    }
    const file = await disk.open(path, 'write')
    try {
      const salt = await readSalt(file, number)
      if (salt === undefined || bytes < from) {
        metrics.damagedSegments.inc()
        log.warn(
          { segment: segmentName(number), bytes, indexedTo: from },
          'segment file is damaged or cut short, it is left as it is and not written on'
        )
        return undefined
      }
      if (bytes === from) return { number, salt, offset: from }
      // What a killed process left in the page cache is read here but may not be on the disk: first that, then the index.
      await file.datasync()
      const offset = await this.#scan(file, { number, salt, from })
      if (offset < bytes) await this.#cut(file, { number, offset, bytes })
      return { number, salt, offset }
    } finally {
      await file.close()
    }
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
    if (last === undefined || this.#ledger.unindexed < this.#indexEveryRecords) return
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
