import { type Height, parseBlockId, parseExecutionDataId, parseHeight, type SealedBlock } from '../../model/index.ts'
import { messageOf } from '../../util/index.ts'
import { FeedError } from '../errors.ts'

/**
 * One line of a block list: a JSON object with `height`, `blockId` and `executionDataId`; further fields are ignored.
 * Throws FeedError `malformed-line`, with the line's number (1 is the first) and what is wrong.
 */
export function parseBlockLine(text: string, line: number): SealedBlock {
  const fields = parseObject(text, line)
  const height = parseHeight(fields['height'])
  const blockId = parseBlockId(fields['blockId'])
  const executionDataId = parseExecutionDataId(fields['executionDataId'])
  if (height === undefined) throw malformed(line, '"height" must be a whole number, 0 or more')
  if (blockId === undefined) throw malformed(line, '"blockId" must be 64 hex digits')
  if (executionDataId === undefined) throw malformed(line, '"executionDataId" must be 64 hex digits')
  return { height, blockId, executionDataId }
}

/** Throws FeedError `gap` unless the block has the height that has to come. */
export function assertNext(found: Height, expected: Height | undefined, line: number): void {
  if (expected === undefined || found === expected) return
  const details = { line, expected, found }
  throw new FeedError('gap', `line ${line}: height ${found} where ${expected} has to come: heights ascend by one`, {
    details
  })
}

function parseObject(text: string, line: number): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw malformed(line, `not JSON (${messageOf(error).slice(0, 120)})`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(line, 'not a JSON object')
  return value as Record<string, unknown>
}

function malformed(line: number, why: string): FeedError {
  return new FeedError('malformed-line', `line ${line}: ${why}`, { details: { line } })
}
