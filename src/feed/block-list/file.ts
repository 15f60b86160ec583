import { type FileHandle, open, stat } from 'node:fs/promises'
import type { SealedBlock } from '../../model/index.ts'
import { codeOf, messageOf } from '../../util/index.ts'
import { FeedError } from '../errors.ts'
import { type BlockListOptions, defaultBlockListOptions } from '../options.ts'
import { type ByteSource, readBlocks, START } from './read.ts'

/** A block list on the disk, open for reading. */
export class BlockListFile implements ByteSource {
  readonly path: string
  readonly #handle: FileHandle
  readonly #identity: string

  private constructor(path: string, handle: FileHandle, identity: string) {
    this.path = path
    this.#handle = handle
    this.#identity = identity
  }

  /** Throws FeedError `unreadable`. */
  static async open(path: string): Promise<BlockListFile> {
    let handle: FileHandle | undefined
    try {
      handle = await open(path, 'r')
      const { dev, ino } = await handle.stat()
      // Reading tells what cannot be read as a file, a folder for one.
      await handle.read(new Uint8Array(1), 0, 1, 0)
      return new BlockListFile(path, handle, `${dev}:${ino}`)
    } catch (error) {
      await handle?.close()
      throw unreadable(path, error)
    }
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    try {
      return (await this.#handle.read(into, 0, into.length, position)).bytesRead
    } catch (error) {
      throw unreadable(this.path, error)
    }
  }

  /** Throws FeedError `truncated` when the file is shorter than what was read of it, `replaced` when the path leads to another file. */
  async check(readTo: number): Promise<void> {
    const { size } = await this.#handle.stat()
    if (size < readTo) {
      throw new FeedError(
        'truncated',
        `${this.path} became shorter (${size} bytes, ${readTo} were read) while it was followed`
      )
    }
    const identity = await identityOf(this.path)
    if (identity !== this.#identity) {
      throw new FeedError('replaced', `${this.path} was replaced by another file, or removed, while it was followed`)
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

/**
 * The blocks of a block list, ascending, one by one.
 * Throws FeedError `unreadable`, `malformed-line`, `line-too-long` or `gap`, and the signal's reason.
 */
export async function* openBlockList(
  path: string,
  options: Partial<BlockListOptions> & { readonly signal?: AbortSignal } = {}
): AsyncGenerator<SealedBlock> {
  const { signal, ...limits } = options
  const file = await BlockListFile.open(path)
  try {
    const reading = { ...defaultBlockListOptions, ...limits, acceptLastLine: true }
    for await (const { block } of readBlocks(file, START, reading)) {
      signal?.throwIfAborted()
      yield block
    }
  } catch (error) {
    throw inFile(error, path)
  } finally {
    await file.close()
  }
}

/** A line's error says in which file. */
export function inFile(error: unknown, path: string): unknown {
  if (!(error instanceof FeedError) || error.details['line'] === undefined) return error
  return new FeedError(error.code, `${path}: ${error.message}`, { cause: error, details: { ...error.details, path } })
}

async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path)
    return `${dev}:${ino}`
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw unreadable(path, error)
  }
}

function unreadable(path: string, error: unknown): FeedError {
  const why = codeOf(error) === 'ENOENT' ? 'it does not exist' : messageOf(error)
  return new FeedError('unreadable', `cannot read the block list ${path}: ${why}; --feed file:PATH names it`, {
    cause: error
  })
}
