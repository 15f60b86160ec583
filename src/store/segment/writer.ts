import { join } from 'node:path'
import type { Blob } from '../../model/index.ts'
import type { Clock, Rng } from '../../util/index.ts'
import type { Disk, DiskFile } from '../disk.ts'
import type { StoreMetrics } from '../metrics.ts'
import {
  encodeRecords,
  encodeSegmentHeader,
  RECORD_HEADER_LENGTH,
  SEGMENT_HEADER_LENGTH,
  segmentName
} from './format.ts'
import type { Location } from './index-space.ts'
import type { WritePosition } from './ledger.ts'

export interface SegmentWriterComponents {
  readonly disk: Disk
  readonly clock: Clock
  readonly rng: Rng
  readonly metrics: StoreMetrics
}

/** A segment that an opening found fit to be written on. */
export interface ResumableSegment {
  readonly number: number
  readonly salt: number
  readonly offset: number
}

interface ActiveSegment {
  readonly number: number
  readonly salt: number
  readonly file: DiskFile
  offset: number
  /** Whether a group, with the file's head and its directory entry, is on the disk. */
  begun: boolean
}

export interface SegmentLimits {
  readonly segmentBytes: number
  readonly minSegmentBytes: number
  /** Bytes of the blobs stored now. */
  readonly liveBytes: () => number
}

/** A store is at least so many segments, so that what leaves at one end frees whole ones and hardly anything has to be rewritten. */
const SEGMENTS_OF_A_STORE = 16

/**
 * Appends groups of records to the newest segment, one group at a time. What failed is cut off again; where even that, or a
 * sync, failed, the segment is left as it is: after a failed sync the kernel may take the lost pages for clean, so nothing
 * behind the last good group can be relied on any more.
 */
export class SegmentWriter {
  readonly #components: SegmentWriterComponents
  readonly #directory: string
  readonly #options: SegmentLimits
  #next: number
  #active: ActiveSegment | undefined

  /** `next` is the number of the next new segment, higher than that of any file there. */
  constructor(
    components: SegmentWriterComponents,
    options: SegmentLimits & { readonly directory: string; readonly next: number }
  ) {
    this.#components = components
    this.#directory = options.directory
    this.#options = options
    this.#next = options.next
  }

  /** Goes on behind the last record of a segment. To be called before the first `append`. */
  async resume({ number, salt, offset }: ResumableSegment): Promise<void> {
    const file = await this.#components.disk.open(this.#path(number), 'write')
    this.#active = { number, salt, file, offset, begun: true }
  }

  get position(): WritePosition {
    if (this.#active === undefined) return { segment: this.#next, offset: SEGMENT_HEADER_LENGTH }
    return { segment: this.#active.number, offset: this.#active.offset }
  }

  /** Resolves with the places, in order, when the disk has the records; rejects with the system's error. */
  async append(blobs: readonly Blob[]): Promise<Location[]> {
    const bytes = blobs.reduce((sum, blob) => sum + RECORD_HEADER_LENGTH + blob.bytes.length, 0)
    const segment = await this.#segmentFor(bytes)
    const records = encodeRecords(blobs, segment.salt)
    try {
      if (segment.begun) await segment.file.append(records, segment.offset)
      else await segment.file.append([encodeSegmentHeader(segment.number, segment.salt), ...records], 0)
    } catch (error) {
      await this.#giveUp(segment, 'write')
      throw error
    }
    try {
      await this.#sync(segment)
    } catch (error) {
      await this.#giveUp(segment, 'sync')
      throw error
    }
    this.#components.metrics.groupBlobs.observe(blobs.length)
    this.#components.metrics.groupBytes.observe(bytes)
    return placesOf(blobs, segment)
  }

  /** Ends the newest segment; what comes next begins another. */
  async rotate(): Promise<void> {
    if (this.#active?.begun === true) await this.close()
  }

  async close(): Promise<void> {
    const segment = this.#active
    this.#active = undefined
    await segment?.file.close()
  }

  async #segmentFor(bytes: number): Promise<ActiveSegment> {
    const active = this.#active
    if (active !== undefined) {
      if (!active.begun || active.offset + bytes <= this.#limit()) return active
      await this.close()
    }
    const number = this.#next
    const salt = Math.floor(this.#components.rng.next() * 2 ** 32) >>> 0
    const file = await this.#components.disk.open(this.#path(number), 'create')
    this.#next = number + 1
    this.#components.metrics.segments.inc()
    this.#active = { number, salt, file, offset: SEGMENT_HEADER_LENGTH, begun: false }
    return this.#active
  }

  #limit(): number {
    const { segmentBytes, minSegmentBytes, liveBytes } = this.#options
    return Math.min(segmentBytes, Math.max(minSegmentBytes, liveBytes() / SEGMENTS_OF_A_STORE))
  }

  async #sync(segment: ActiveSegment): Promise<void> {
    const { clock, disk, metrics } = this.#components
    const startedAt = clock.now()
    // Both at once: the file system then writes its journal once for the two. Each is waited for, also when the other failed.
    const syncs = [segment.file.datasync(), ...(segment.begun ? [] : [disk.syncDirectory(this.#directory)])]
    for (const sync of await Promise.allSettled(syncs)) if (sync.status === 'rejected') throw sync.reason
    segment.begun = true
    metrics.fsyncSeconds.observe({ of: 'segment' }, (clock.now() - startedAt) / 1000)
  }

  async #giveUp(segment: ActiveSegment, failed: 'write' | 'sync'): Promise<void> {
    const cut = await succeeds(segment.file.truncate(segment.offset))
    if (failed === 'write' && cut && segment.begun) return
    this.#active = undefined
    await succeeds(segment.file.close())
    // Nothing of it was ever acknowledged: gone, or at the latest an opening finds it empty.
    if (!segment.begun && (await succeeds(this.#components.disk.unlink(this.#path(segment.number))))) {
      this.#components.metrics.segments.dec()
    }
  }

  #path(number: number): string {
    return join(this.#directory, segmentName(number))
  }
}

function placesOf(blobs: readonly Blob[], segment: ActiveSegment): Location[] {
  return blobs.map((blob) => {
    const location = { segment: segment.number, offset: segment.offset, length: blob.bytes.length }
    segment.offset += RECORD_HEADER_LENGTH + blob.bytes.length
    return location
  })
}

/** For tidying up after an error that is already on its way to the caller. */
async function succeeds(doing: Promise<void>): Promise<boolean> {
  try {
    await doing
    return true
  } catch {
    return false
  }
}
