import type { Height, SealedBlock } from '../model/index.ts'
import { type Clock, messageOf } from '../util/index.ts'
import { FileChanges } from './block-list/changes.ts'
import { BlockListFile, inFile } from './block-list/file.ts'
import { type Mark, readBlocks, START } from './block-list/read.ts'
import { FeedError } from './errors.ts'
import type { SealedBlockFeed } from './feed.ts'
import type { FeedMetrics } from './metrics.ts'
import { defaultFileFeedOptions, type FileFeedOptions } from './options.ts'
import { Waiters } from './waiters.ts'

export interface FileFeedComponents {
  readonly clock: Clock
  readonly metrics: FeedMetrics
}

/** The key of whoever waits for anything to change. */
const ANY = 0

/**
 * The feed by a block list: JSON lines, heights ascending by one. Every block in it is settled.
 *
 * One loop reads the file from the start, checks each line, and keeps the place of every few heights; readers read what it
 * has checked, each by itself. With `follow` the loop goes on as lines are appended; a last line waits for its newline.
 *
 * What is wrong with a line stops the loop: the blocks before it are still given out, then readers get the error, and
 * `failed` rejects with it.
 */
export class FileFeed implements SealedBlockFeed {
  readonly failed: Promise<never>
  readonly #components: FileFeedComponents
  readonly #options: FileFeedOptions
  readonly #waiters = new Waiters<void>()
  readonly #stopping = new AbortController()
  readonly #marks: Mark[] = []
  readonly #recent = new Map<Height, SealedBlock>()
  readonly #fail: (reason: unknown) => void
  #file: BlockListFile | undefined
  #loop: Promise<void> | undefined
  #lowest: Height | undefined
  #highest: Height | undefined
  /** The end of the file has been seen once, with blocks before it if more may come. */
  #isCaughtUp = false
  #error: Error | undefined

  constructor(components: FileFeedComponents, options: Partial<FileFeedOptions> & Pick<FileFeedOptions, 'path'>) {
    this.#components = components
    this.#options = { ...defaultFileFeedOptions, ...options }
    const { promise, reject } = Promise.withResolvers<never>()
    // Whoever reads gets the error too; that nobody watches `failed` must not end the process.
    promise.catch(() => undefined)
    this.failed = promise
    this.#fail = reject
  }

  /** Throws FeedError `unreadable`. */
  async start(): Promise<void> {
    if (this.#file !== undefined || this.#stopping.signal.aborted) throw stoppedError()
    this.#file = await BlockListFile.open(this.#options.path)
    this.#loop = this.#run(this.#file)
  }

  async stop(): Promise<void> {
    this.#stopping.abort(stoppedError())
    this.#waiters.rejectUpTo(ANY, stoppedError)
    await this.#loop
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  get highest(): Height | undefined {
    return this.#highest
  }

  get lowestOffered(): Height | undefined {
    return this.#lowest
  }

  /** Resolves when the file has been read to its end. Rejects as `blocks` throws. */
  async awaitHighest({ signal }: { readonly signal: AbortSignal }): Promise<Height> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error
      if (this.#isCaughtUp && this.#highest !== undefined) return this.#highest
      if (this.#isCaughtUp && !this.#options.follow) throw this.#ended()
      await this.#change(signal)
    }
  }

  /**
   * Throws the signal's reason, or FeedError `ended` (without `follow`), `not-offered`, `stopped`, `malformed-line`,
   * `line-too-long`, `gap`, `truncated`, `replaced` or `unreadable`.
   */
  async *blocks(from: Height, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<SealedBlock> {
    await this.#until(from, signal)
    let mark = this.#markBefore(from)
    for (let next = from; ; ) {
      await this.#until(next, signal)
      const checkedTo = this.#highest ?? next
      for await (const listed of this.#read(mark)) {
        mark = listed.next
        if (listed.block.height >= next) {
          next = listed.block.height + 1
          this.#keep(listed.block)
          yield listed.block
          signal.throwIfAborted()
        }
        if (listed.block.height >= checkedTo) break
      }
    }
  }

  /** Rejects as `blocks` throws. */
  async settled(height: Height, { signal }: { readonly signal: AbortSignal }): Promise<SealedBlock> {
    const recent = this.#recent.get(height)
    if (recent !== undefined) return recent
    await this.#until(height, signal)
    for await (const { block } of this.#read(this.#markBefore(height))) {
      if (block.height === height) return block
    }
    throw new FeedError('truncated', `${this.#options.path} has lost height ${height} since it was read`)
  }

  release(upTo: Height): void {
    // Blocks are kept in ascending order.
    for (const height of this.#recent.keys()) {
      if (height > upTo) break
      this.#recent.delete(height)
    }
  }

  async #run(file: BlockListFile): Promise<void> {
    const { clock } = this.#components
    const { path, follow, pollMs } = this.#options
    const { signal } = this.#stopping
    // Watched before it is read: a line that comes meanwhile is not waited for.
    const changes = follow ? new FileChanges(path) : undefined
    try {
      for (let mark = START; ; ) {
        mark = await this.#advance(mark)
        // Of a file that is still empty nothing is known yet.
        this.#isCaughtUp ||= !follow || this.#highest !== undefined
        this.#waiters.resolve(ANY, undefined)
        if (changes === undefined) return
        await changes.wait(clock, { ms: pollMs, signal })
        await file.check(mark.offset)
      }
    } catch (error) {
      if (signal.aborted) return
      this.#error = error instanceof Error ? error : new Error(messageOf(error), { cause: error })
      this.#fail(this.#error)
      this.#waiters.resolve(ANY, undefined)
    } finally {
      changes?.close()
    }
  }

  /** Checks what has come since. */
  async #advance(from: Mark): Promise<Mark> {
    const { markEvery } = this.#options
    let mark = from
    for await (const { block, at, next } of this.#read(from)) {
      this.#stopping.signal.throwIfAborted()
      mark = next
      this.#lowest ??= block.height
      this.#highest = block.height
      this.#components.metrics.lines.inc()
      this.#components.metrics.sealedHeight.set(block.height)
      if ((block.height - this.#lowest) % markEvery !== 0) continue
      this.#marks.push(at)
      this.#waiters.resolve(ANY, undefined)
    }
    return mark
  }

  async *#read(from: Mark): ReturnType<typeof readBlocks> {
    const { path, follow, maxLineBytes, chunkBytes } = this.#options
    if (this.#file === undefined) throw stoppedError()
    try {
      yield* readBlocks(this.#file, from, { maxLineBytes, chunkBytes, acceptLastLine: !follow })
    } catch (error) {
      throw this.#stopping.signal.aborted ? stoppedError() : inFile(error, path)
    }
  }

  /** Resolves when the height has been read and checked. */
  async #until(height: Height, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      this.#stopping.signal.throwIfAborted()
      const lowest = this.#lowest
      if (lowest !== undefined && height < lowest) {
        throw new FeedError('not-offered', `${this.#options.path} begins at height ${lowest}, ${height} is not in it`, {
          details: { from: height, lowest }
        })
      }
      if (this.#highest !== undefined && height <= this.#highest) return
      if (this.#error !== undefined) throw this.#error
      if (this.#isCaughtUp && !this.#options.follow) throw this.#ended()
      await this.#change(signal)
    }
  }

  async #change(signal: AbortSignal): Promise<void> {
    this.#stopping.signal.throwIfAborted()
    await this.#waiters.wait(ANY, signal)
  }

  /** A place at or before a height that has been read. */
  #markBefore(height: Height): Mark {
    const at = Math.floor((height - (this.#lowest ?? height)) / this.#options.markEvery)
    return this.#marks[at] ?? START
  }

  #keep(block: SealedBlock): void {
    this.#recent.set(block.height, block)
    if (this.#recent.size <= this.#options.maxRecentBlocks) return
    for (const oldest of this.#recent.keys()) {
      this.#recent.delete(oldest)
      break
    }
  }

  #ended(): FeedError {
    const { path } = this.#options
    return new FeedError('ended', `${path} ends at height ${this.#highest ?? '(none)'}`, {
      details: { highest: this.#highest }
    })
  }
}

function stoppedError(): FeedError {
  return new FeedError('stopped', 'the feed has been stopped')
}
