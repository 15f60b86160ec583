import { join } from 'node:path'
import { MAX_BLOCK_BYTES } from '../../model/index.ts'
import { codeOf, ReadGarbage } from '../../util/index.ts'
import type { Disk, DiskFile } from '../disk.ts'
import type { SegmentBlockstoreOptions } from '../options.ts'
import { RECORD_HEADER_LENGTH, segmentName } from './format.ts'
import type { Location } from './index-space.ts'

interface Handle {
  readonly segment: number
  readonly file: Promise<DiskFile>
  readers: number
  /** Taken out of the handles while it was read: the last reader closes it. */
  forgotten: boolean
}

/** Errors that say the bytes are gone, not that the system is short of something. */
const LOST = new Set(['ENOENT', 'EIO', 'EISDIR', 'EBADMSG', 'EUCLEAN'])

/**
 * Reads records' bytes through a small number of open files: the least recently used that nobody reads is closed. While
 * more segments are read at one moment than may be open, the surplus is closed as soon as its last read is done.
 */
export class SegmentReader {
  readonly #disk: Disk
  readonly #directory: string
  readonly #maxOpenFiles: number
  readonly #garbage: ReadGarbage
  /** Least recently used first. */
  readonly #handles = new Map<number, Handle>()
  #closed = false

  constructor(disk: Disk, options: Pick<SegmentBlockstoreOptions, 'directory' | 'maxOpenFiles' | 'collectEveryBytes'>) {
    this.#disk = disk
    this.#directory = options.directory
    this.#maxOpenFiles = options.maxOpenFiles
    this.#garbage = new ReadGarbage(options.collectEveryBytes)
  }

  get openFiles(): number {
    return this.#handles.size
  }

  /**
   * The bytes at a place, not verified; `undefined` when they are not there or cannot be read. Rejects with the system's
   * error when the system is short of something.
   */
  async read(location: Location): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (location.length > MAX_BLOCK_BYTES) return undefined
    const handle = this.#acquire(location.segment)
    try {
      const file = await handle.file
      // Not cleared first: it is read to its last byte, or nobody sees it. A buffer of its own, for the cache keeps it.
      const { buffer } = Buffer.allocUnsafeSlow(location.length)
      const bytes = new Uint8Array(buffer)
      const read = await file.read(bytes, location.offset + RECORD_HEADER_LENGTH)
      this.#garbage.add(read)
      return read === bytes.length ? bytes : undefined
    } catch (error) {
      if (LOST.has(codeOf(error) ?? '')) return undefined
      throw error
    } finally {
      const closing = this.#release(handle)
      if (closing !== undefined) await closing
    }
  }

  /** The segment's file is gone: whoever reads it now is served to the end, and then the disk gives its space back. */
  async forget(segment: number): Promise<void> {
    const handle = this.#handles.get(segment)
    if (handle === undefined) return
    handle.forgotten = true
    this.#handles.delete(segment)
    await this.#closeUnread(handle)
  }

  /** Closes what nobody reads; the rest closes with its last read. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#shrink(0)
  }

  #acquire(segment: number): Handle {
    const known = this.#handles.get(segment)
    const handle = known ?? this.#open(segment)
    handle.readers += 1
    this.#handles.delete(segment)
    this.#handles.set(segment, handle)
    return handle
  }

  #open(segment: number): Handle {
    const file = this.#disk.open(join(this.#directory, segmentName(segment)), 'read')
    // A failed open is not kept: the next read tries again.
    file.catch(() => this.#handles.delete(segment))
    return { segment, file, readers: 0, forgotten: false }
  }

  /** What there is to close, if anything: mostly there is not, and a read has a turn less to wait. */
  #release(handle: Handle): Promise<void> | undefined {
    handle.readers -= 1
    if (handle.forgotten) return this.#closeUnread(handle)
    const most = this.#closed ? 0 : this.#maxOpenFiles
    return this.#handles.size > most ? this.#shrink(most) : undefined
  }

  async #closeUnread(handle: Handle): Promise<void> {
    if (handle.readers > 0) return
    const file = await handle.file.catch(() => undefined)
    await file?.close()
  }

  async #shrink(most: number): Promise<void> {
    const closing: Promise<void>[] = []
    for (const handle of this.#handles.values()) {
      if (this.#handles.size <= most) break
      if (handle.readers > 0) continue
      this.#handles.delete(handle.segment)
      closing.push(handle.file.then((file) => file.close()))
    }
    await Promise.all(closing)
  }
}
