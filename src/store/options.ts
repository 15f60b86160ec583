import { MAX_BLOCK_BYTES } from '../model/index.ts'
import { DEFAULT_COLLECT_EVERY_BYTES, LEAST_COLLECT_EVERY_BYTES } from '../util/index.ts'

const MIB = 1024 * 1024

export interface SegmentBlockstoreOptions {
  /** Folder of the segment files. */
  readonly directory: string
  /**
   * A segment file is closed and the next one begun when a group would make it longer, bytes. Space comes back by whole
   * segments, so smaller gives it back sooner; larger means fewer files. Offsets have 32 bits.
   */
  readonly segmentBytes: number
  /** A small store begins new segments after this many bytes already; they grow with what is stored, up to `segmentBytes`. */
  readonly minSegmentBytes: number
  /** Dead bytes for each live one from which on segments are rewritten. Disk space stays within this much of what is live. */
  readonly compactDeadShare: number
  /** Dead bytes that are left alone beside that: rewriting for less is not worth its writes. */
  readonly compactSlackBytes: number
  /** Most bytes of one group commit. Bounds what one `fdatasync` has to write, and so the wait of the next group. */
  readonly groupBytes: number
  /** Most bytes that wait to be written; a put beyond it rejects with `overloaded`. Their owners hold them already: what this bounds is how far the network may run ahead of the disk. */
  readonly maxPendingBytes: number
  /** Most operations that wait; reached only by very many very small blobs. */
  readonly maxPendingOperations: number
  /** The index is written after this many bytes of records: what an opening has to scan after a crash (at some 1.5 GB/s). */
  readonly indexEveryBytes: number
  /** The index is written after this many records; till then their places are in memory (some 200 bytes each). */
  readonly indexEveryRecords: number
  /** Segment files kept open for reading; the process has 1,024 descriptors where nobody raised them. */
  readonly maxOpenFiles: number
  /** Bytes read between two collections of the young generation: see `ReadGarbage`. */
  readonly collectEveryBytes: number
}

/** All but the folder. */
export const defaultSegmentBlockstoreOptions: Omit<SegmentBlockstoreOptions, 'directory'> = Object.freeze({
  segmentBytes: 256 * MIB,
  minSegmentBytes: 16 * MIB,
  compactDeadShare: 0.08,
  compactSlackBytes: 16 * MIB,
  groupBytes: 16 * MIB,
  maxPendingBytes: 256 * MIB,
  maxPendingOperations: 65_536,
  indexEveryBytes: 64 * MIB,
  indexEveryRecords: 4_096,
  maxOpenFiles: 32,
  collectEveryBytes: DEFAULT_COLLECT_EVERY_BYTES
})

/** Says what would break, one sentence a fault; empty when the options are fine. */
export function validateSegmentBlockstoreOptions(options: SegmentBlockstoreOptions): string[] {
  const faults: string[] = []
  const { directory, compactDeadShare, ...numbers } = options
  if (directory === '') faults.push('directory is empty: the segment files would land in the working directory')
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isSafeInteger(value) || value < 1) faults.push(`${name} must be a positive integer, not ${value}`)
  }
  if (!(options.collectEveryBytes >= LEAST_COLLECT_EVERY_BYTES)) {
    faults.push(`collectEveryBytes below ${LEAST_COLLECT_EVERY_BYTES} lets the process do little but collect`)
  }
  if (!(compactDeadShare > 0 && compactDeadShare <= 10)) {
    faults.push(
      `compactDeadShare must be above 0 and at most 10, not ${compactDeadShare}: at 0 rewriting would never end`
    )
  }
  if (options.segmentBytes > 2 ** 31) {
    faults.push(
      `segmentBytes ${options.segmentBytes} leaves no room for a group below the 32-bit offsets: at most ${2 ** 31}`
    )
  }
  if (options.maxPendingBytes > 2 ** 30) {
    faults.push(
      `maxPendingBytes ${options.maxPendingBytes} would let one group pass the 32-bit offsets: at most ${2 ** 30}`
    )
  }
  if (options.maxPendingBytes < MAX_BLOCK_BYTES) {
    faults.push(`maxPendingBytes ${options.maxPendingBytes} is less than the largest blob: it could never be put`)
  }
  return faults
}

export interface WarehouseOptions {
  /** Most bytes kept in memory, each blob counted with what it costs around its bytes; 0 keeps nothing and changes no result. */
  readonly cacheBytes: number
  /** What nobody asked for in this time leaves the cache, ms; a quarter of it later at most. */
  readonly idleMs: number
}

/**
 * 64 MiB: some 20 s of the newest blobs at three of 1 MiB a second, the time in which peers ask for them. A peer that was away for longer
 * than ten minutes catches up from the disk.
 */
export const defaultWarehouseOptions: WarehouseOptions = Object.freeze({ cacheBytes: 64 * MIB, idleMs: 600_000 })

/** Says what would break, one sentence a fault; empty when the options are fine. */
export function validateWarehouseOptions({ cacheBytes, idleMs }: WarehouseOptions): string[] {
  const faults: string[] = []
  if (!(Number.isSafeInteger(cacheBytes) && cacheBytes >= 0)) {
    faults.push(`cacheBytes must be a whole number of bytes, 0 or more, not ${cacheBytes}`)
  }
  if (!(Number.isFinite(idleMs) && idleMs >= 1)) faults.push(`idleMs must be at least 1, not ${idleMs}`)
  return faults
}
