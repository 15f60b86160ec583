import type { Height, SealedBlock } from '../../model/index.ts'
import { FeedError } from '../errors.ts'
import type { BlockListOptions } from '../options.ts'
import { assertNext, parseBlockLine } from './parse-line.ts'

/** Bytes that can be read anywhere. */
export interface ByteSource {
  /** Fills `into` from `position` on as far as there are bytes, and gives how many there were; 0 at the end. */
  read(into: Uint8Array, position: number): Promise<number>
}

/** A place between two lines. */
export interface Mark {
  readonly offset: number
  /** Number of the line that begins here; 1 is the first. */
  readonly line: number
  /** The height that has to come; any where none is known yet. */
  readonly expected: Height | undefined
}

export const START: Mark = Object.freeze({ offset: 0, line: 1, expected: undefined })

export interface ListedBlock {
  readonly block: SealedBlock
  /** Where its line begins, and where the next one does. */
  readonly at: Mark
  readonly next: Mark
}

/**
 * The blocks from a place on to the end of the source. A last line without its newline is left for later, unless
 * `acceptLastLine`. Empty lines are skipped.
 * Throws FeedError `malformed-line`, `line-too-long` or `gap`, and what the source throws.
 */
export async function* readBlocks(
  source: ByteSource,
  from: Mark,
  options: BlockListOptions & { readonly acceptLastLine: boolean }
): AsyncGenerator<ListedBlock> {
  const chunk = Buffer.allocUnsafeSlow(options.chunkBytes)
  const limit = options.maxLineBytes
  let mark = from
  let rest = Buffer.alloc(0)
  for (;;) {
    const read = await source.read(chunk, mark.offset + rest.length)
    if (read === 0) break
    const bytes = rest.length === 0 ? chunk.subarray(0, read) : Buffer.concat([rest, chunk.subarray(0, read)])
    let at = 0
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, at)) {
      const listed = take(bytes.subarray(at, end), { mark, taken: end + 1 - at, limit })
      at = end + 1
      mark = listed.next
      if (listed.block !== undefined) yield { ...listed, block: listed.block }
    }
    rest = Buffer.from(bytes.subarray(at))
    if (rest.length > limit) throw tooLong(mark.line, limit)
  }
  if (rest.length === 0 || !options.acceptLastLine) return
  const listed = take(rest, { mark, taken: rest.length, limit })
  if (listed.block !== undefined) yield { ...listed, block: listed.block }
}

/** One line: its block, if it is not empty, and the place behind it. */
function take(
  bytes: Buffer,
  { mark, taken, limit }: { readonly mark: Mark; readonly taken: number; readonly limit: number }
): { readonly block: SealedBlock | undefined; readonly at: Mark; readonly next: Mark } {
  if (bytes.length > limit) throw tooLong(mark.line, limit)
  const text = bytes.toString('utf8')
  const behind = { offset: mark.offset + taken, line: mark.line + 1 }
  if (text.trim() === '') return { block: undefined, at: mark, next: { ...behind, expected: mark.expected } }
  const block = parseBlockLine(text, mark.line)
  assertNext(block.height, mark.expected, mark.line)
  return { block, at: mark, next: { ...behind, expected: block.height + 1 } }
}

function tooLong(line: number, limit: number): FeedError {
  return new FeedError('line-too-long', `line ${line} is longer than ${limit} bytes: this is not a block list`, {
    details: { line }
  })
}
