import { AppError } from '../util/index.ts'

/**
 * What is wrong with the data itself. Fetching it again gives the same bytes, because a CID names them: never retried, the
 * requester halts the height and says why (flow-go `execution_data/errors.go`: MalformedDataError, BlobSizeLimitExceededError).
 *
 * - `lz4-malformed`: the frame's header or a block needed for the item is broken
 * - `cbor-malformed`: not well-formed CBOR, or of another shape than the type asks for
 * - `code-unexpected`: no type code, an unknown one, or one that has no place here
 * - `tree-malformed`: a level of the tree that no object can come from
 * - `cid-unusable`: a null CID, or one that is not sha2-256 with 32 bytes: no blob can be had by it
 * - `blob-too-large`: a blob above `maxBlobBytes`
 * - `block-mismatch`: the root names another block than the one asked for
 * - `limit-exceeded`: legal, but beyond a bound of `ExecutionDataOptions` (`details.limit` is its name)
 */
export const MALFORMED_CODES = [
  'lz4-malformed',
  'cbor-malformed',
  'code-unexpected',
  'tree-malformed',
  'cid-unusable',
  'blob-too-large',
  'block-mismatch',
  'limit-exceeded'
] as const

export type MalformedCode = (typeof MALFORMED_CODES)[number]

/**
 * - `blob-missing`: a blob of the tree is not in the store (`details.cid`)
 * - `blob-mismatch`: a session gave another blob than the one asked for
 * - `memory-refused`: the memory account has no room for decoding; try later
 * - `encode-refused`: the caller's object cannot be encoded (a number out of range, a root above one blob, …)
 * - `car-malformed`: no CARv1 header, or a section that is none
 * - `car-truncated`: the file ends within its header or a section
 * - `car-mismatch`: a section's bytes do not hash to its CID
 */
export type ExecutionDataErrorCode =
  | MalformedCode
  | 'blob-missing'
  | 'blob-mismatch'
  | 'memory-refused'
  | 'encode-refused'
  | 'car-malformed'
  | 'car-truncated'
  | 'car-mismatch'

export class ExecutionDataError extends AppError<ExecutionDataErrorCode> {}

/** True when the data itself is at fault, so that trying again cannot help. */
export function isMalformed(error: unknown): error is ExecutionDataError {
  return error instanceof ExecutionDataError && (MALFORMED_CODES as readonly string[]).includes(error.code)
}

/** A bound of `ExecutionDataOptions` was met. */
export function limitExceeded(limit: string, value: number, bound: number): ExecutionDataError {
  return new ExecutionDataError('limit-exceeded', `${limit} is ${bound}, the data asks for ${value}`, {
    details: { limit, value, bound }
  })
}
