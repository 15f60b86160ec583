import { Level } from 'level'
import { concatBytes, systemClock } from '../util/index.ts'
import { StoreError, toStoreError } from './errors.ts'
import { type LevelStats, parseLevelStats } from './level-stats.ts'
import type { KeyRange, KeyValueOperation, KeyValueSpace } from './key-value.ts'
import { ReadPace } from './read-pace.ts'

export interface DatabaseOptions {
  /** Level's cache of uncompressed index blocks, bytes. The index is read once per page-in, so a small one will do. */
  readonly cacheBytes: number
  /** What Level gathers in memory before it writes a table, bytes; up to two of these are held. */
  readonly writeBufferBytes: number
  /**
   * Table files of some 2 MiB that Level keeps open, mapped into memory; each takes some 70 KiB for its index and filter. Reading a key of one that
   * is not open costs three times as much. More than a thousand cannot be mapped.
   */
  readonly maxOpenFiles: number
}

export const defaultDatabaseOptions: DatabaseOptions = Object.freeze({
  cacheBytes: 8 * 1024 ** 2,
  writeBufferBytes: 4 * 1024 ** 2,
  maxOpenFiles: 1_000
})

type Bytes = Uint8Array
/** Entries of one read, or 16 KiB of them: a promise for each would cost more than reading it. */
const ENTRIES = 256
/** Keys that are read at once without leaving the thread: a quarter of a millisecond. */
const READ_HERE = 64
const SPACE_NAME = /^[a-z][a-z-]{0,31}$/

/**
 * One Level database, shared by every room that keeps an index. Each has a `space` of its own: its keys carry the name and a
 * zero byte in front, so spaces never meet and each is one range. Opening it takes the kernel's lock on its `LOCK` file, which
 * is released when the process dies however it dies.
 */
export class Database {
  readonly path: string
  readonly #level: Level<Bytes, Bytes>
  readonly #pace = new ReadPace(systemClock)

  private constructor(path: string, level: Level<Bytes, Bytes>) {
    this.path = path
    this.#level = level
  }

  /** Throws StoreError `locked`, `corrupt`, `disk-full`, `not-writable` or `io`. */
  static async open(path: string, options: Partial<DatabaseOptions> = {}): Promise<Database> {
    const { cacheBytes, writeBufferBytes, maxOpenFiles } = { ...defaultDatabaseOptions, ...options }
    const level = new Level<Bytes, Bytes>(path, {
      keyEncoding: 'view',
      valueEncoding: 'view',
      cacheSize: cacheBytes,
      writeBufferSize: writeBufferBytes,
      maxOpenFiles,
      // Keys are digests and values a few bytes: there is nothing to compress.
      compression: false
    })
    try {
      await level.open()
    } catch (error) {
      throw openError(error, path)
    }
    return new Database(path, level)
  }

  /** The part of the database under this name: lower-case letters and hyphens, at most 32. */
  space(name: string): KeyValueSpace {
    if (!SPACE_NAME.test(name)) throw new RangeError(`not a name for a key-value space: ${name}`)
    return new LevelSpace(this.#level, this.#pace, name)
  }

  /** What the database says of itself; `undefined` while it is not open. Answered from memory. */
  stats(): LevelStats | undefined {
    if (this.#level.status !== 'open') return undefined
    // The types of `level` leave out what only LevelDB can say.
    const level = this.#level as unknown as { getProperty(name: string): string }
    return parseLevelStats(level.getProperty('leveldb.stats'), level.getProperty('leveldb.approximate-memory-usage'))
  }

  /** Waits for what is under way. Idempotent; everything after it rejects with StoreError `closed`. */
  async close(): Promise<void> {
    await this.#level.close()
  }
}

function openError(error: unknown, path: string): StoreError {
  const typed = toStoreError(error, `cannot open the database ${path}`)
  // Level says "IO error: … No such file" when a file that its own CURRENT or MANIFEST names is gone.
  if (typed.code === 'io' && /no such file/i.test(typed.message)) {
    return new StoreError('corrupt', typed.message, { cause: error })
  }
  return typed
}

class LevelSpace implements KeyValueSpace {
  readonly #level: Level<Bytes, Bytes>
  readonly #pace: ReadPace
  readonly #name: string
  readonly #prefix: Bytes
  readonly #end: Bytes

  constructor(level: Level<Bytes, Bytes>, pace: ReadPace, name: string) {
    this.#level = level
    this.#pace = pace
    this.#name = name
    this.#prefix = Buffer.from(`${name}\u0000`, 'latin1')
    this.#end = Buffer.from(`${name}\u0001`, 'latin1')
  }

  async get(key: Bytes): Promise<Bytes | undefined> {
    try {
      return await this.#level.get(this.#full(key))
    } catch (error) {
      throw toStoreError(error, `cannot read from the database (${this.#name})`)
    }
  }

  /**
   * A few keys are read here and now, some 4 µs each: a read in another thread takes ten times the CPU of that and waits for its turn there.
   * Tables are mapped, so most reads come from memory; as soon as one does not, the disk is waited for in other threads for a while.
   */
  async getMany(keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
    const full = this.#fullKeys(keys)
    try {
      if (keys.length > READ_HERE || !this.#pace.isQuick()) return await this.#level.getMany(full)
      const values: (Bytes | undefined)[] = []
      for (const key of full) {
        values.push(this.#level.getSync(key))
        if (this.#pace.isSlow()) return [...values, ...(await this.#level.getMany(full.slice(values.length)))]
      }
      return values
    } catch (error) {
      throw toStoreError(error, `cannot read from the database (${this.#name})`)
    }
  }

  async batch(operations: readonly KeyValueOperation[], options: { readonly sync: boolean }): Promise<void> {
    if (operations.length === 0) return
    const keys = this.#fullKeys(operations.map(({ key }) => key))
    const mapped = operations.map((operation, at): KeyValueOperation => {
      const key = keys[at] ?? operation.key
      return operation.type === 'put' ? { type: 'put', key, value: operation.value } : { type: 'del', key }
    })
    try {
      await this.#level.batch(mapped, options)
    } catch (error) {
      throw toStoreError(error, `cannot write to the database (${this.#name})`)
    }
  }

  async *entries(range: KeyRange): AsyncGenerator<readonly [Bytes, Bytes]> {
    const { gte, lt, reverse = false, limit = -1 } = range
    try {
      const iterator = this.#level.iterator({
        gte: gte === undefined ? this.#prefix : this.#full(gte),
        lt: lt === undefined ? this.#end : this.#full(lt),
        reverse,
        limit
      })
      try {
        const most = limit === -1 ? ENTRIES : Math.min(limit, ENTRIES)
        for (;;) {
          const entries = await iterator.nextv(most)
          if (entries.length === 0) break
          for (const [key, value] of entries) yield [key.subarray(this.#prefix.length), value] as const
        }
      } finally {
        await iterator.close()
      }
    } catch (error) {
      throw toStoreError(error, `cannot read from the database (${this.#name})`)
    }
  }

  /** Views of one buffer: Level's binding would give each short key memory of its own outside the heap. */
  #fullKeys(keys: readonly Bytes[]): Bytes[] {
    const prefix = this.#prefix
    let length = 0
    for (const key of keys) length += prefix.length + key.length
    const all = Buffer.allocUnsafeSlow(length)
    let at = 0
    return keys.map((key) => {
      const from = at
      all.set(prefix, from)
      all.set(key, from + prefix.length)
      at += prefix.length + key.length
      return all.subarray(from, at)
    })
  }

  #full(key: Bytes): Bytes {
    return concatBytes([this.#prefix, key], this.#prefix.length + key.length)
  }
}
