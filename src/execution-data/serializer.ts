import { CborReader } from './cbor/reader.ts'
import { type DecodedChunk, readChunkSteps, readCidList, readRoot } from './cbor/decode.ts'
import { type ChunkForm, CURRENT_FORM, encodeChunkSteps, encodeCidList, encodeRoot } from './cbor/encode.ts'
import { ExecutionDataError } from './errors.ts'
import { decodeFrameSteps } from './lz4/frame-decode.ts'
import { encodeFrameSteps } from './lz4/frame-encode.ts'
import type { DecodeOptions } from './options.ts'
import { runNow, type Steps } from './steps.ts'
import { assertCanonical, assertCanonicalFrame } from './strict.ts'
import type { BlockExecutionDataRoot, ChunkExecutionData, CidBytes } from './types.ts'

/**
 * A serialized object is a type code, then an LZ4 frame, then nothing that matters; the frame holds one CBOR item
 * (flow-go `execution_data/serializer.go`). An object may lie in several slices, one a blob; only the first of them begins with
 * the code. Reading stops when the item is complete.
 */

export const TYPE_CODES = { cidList: 1, root: 2, chunkV1: 3, chunk: 4 } as const
export type TypeCode = (typeof TYPE_CODES)[keyof typeof TYPE_CODES]

/** Codes that end a chunk's tree: the current format, and the one without transaction results. */
export const CHUNK_CODES: readonly TypeCode[] = [TYPE_CODES.chunk, TYPE_CODES.chunkV1]

export type Deserialized =
  | { readonly code: 1; readonly value: readonly CidBytes[] | null }
  | { readonly code: 2; readonly value: BlockExecutionDataRoot }
  | ({ readonly code: 3 | 4; readonly value: ChunkExecutionData } & Pick<DecodedChunk, 'counts'> & {
        readonly decodedBytes: number
      })

export interface DeserializeOptions extends DecodeOptions {
  /** Codes that have a place here. */
  readonly expected: readonly TypeCode[]
  /** False: check and count, but build nothing; a chunk's value is then meaningless. */
  readonly materialize?: boolean
  /** Name of the bound behind `maxChunkBytes`, when it is another one. */
  readonly chunkLimit?: string
  /** Told the decompressed length before it is allocated; may throw to refuse it. */
  readonly onAllocate?: (bytes: number) => void
}

/** The type code an object begins with: the first byte of its slices, `undefined` when they are all empty. */
function codeOf(slices: readonly Uint8Array[]): number | undefined {
  for (const slice of slices) if (slice.length > 0) return slice[0]
  return undefined
}

/**
 * Reads one object in steps. Throws ExecutionDataError: `code-unexpected`, `lz4-malformed`, `cbor-malformed`, `limit-exceeded`.
 */
export function* deserializeSteps(slices: readonly Uint8Array[], options: DeserializeOptions): Steps<Deserialized> {
  const code = codeOf(slices)
  if (!options.expected.includes(code as TypeCode)) {
    const what = code === undefined ? 'there are no bytes' : `type code ${code}`
    throw new ExecutionDataError('code-unexpected', `${what} where one of ${options.expected.join(', ')} belongs`, {
      details: { code, expected: options.expected }
    })
  }
  const isChunk = code === TYPE_CODES.chunk || code === TYPE_CODES.chunkV1
  const frameSlices = behindCode(slices)
  const frame = yield* decodeFrameSteps(frameSlices, {
    ...options,
    maxOutputBytes: isChunk ? options.maxChunkBytes : options.maxListBytes,
    outputLimit: isChunk ? (options.chunkLimit ?? 'maxChunkBytes') : 'maxListBytes'
  })
  if (options.strict) assertCanonicalFrame(frameSlices, frame)
  const materialize = options.materialize !== false || options.strict
  const reader = new CborReader(frame.bytes, { materialize, ...itemBound(slices, options) })
  try {
    const object = yield* readObject(reader, code as TypeCode, { ...options, decodedBytes: frame.bytes.length })
    if (options.strict) assertCanonical(object, frame.bytes)
    return object
  } catch (error) {
    const ranOut = error instanceof ExecutionDataError && error.details.truncated === true
    throw ranOut && frame.failure !== undefined ? frame.failure : error
  }
}

/** Elements that an object of this length on the wire may have. */
function itemBound(
  slices: readonly Uint8Array[],
  { maxItems, freeItems, minItemBytes }: DecodeOptions
): { readonly maxItems: number; readonly itemLimit: string } {
  let bytes = 0
  for (const slice of slices) bytes += slice.length
  const bound = freeItems + Math.floor(bytes / minItemBytes)
  return bound < maxItems ? { maxItems: bound, itemLimit: 'freeItems' } : { maxItems, itemLimit: 'maxItems' }
}

function* readObject(
  reader: CborReader,
  code: TypeCode,
  { pauseBytes, decodedBytes }: { readonly pauseBytes: number; readonly decodedBytes: number }
): Steps<Deserialized> {
  if (code === TYPE_CODES.cidList) return { code, value: readCidList(reader) }
  if (code === TYPE_CODES.root) return { code, value: readRoot(reader) }
  const { chunk, counts } = yield* readChunkSteps(reader, pauseBytes)
  return { code, value: chunk, counts, decodedBytes }
}

/** As `deserializeSteps`, at one go. */
export function deserialize(slices: readonly Uint8Array[], options: DeserializeOptions): Deserialized {
  return runNow(deserializeSteps(slices, options))
}

function behindCode(slices: readonly Uint8Array[]): Uint8Array[] {
  const first = slices.findIndex((slice) => slice.length > 0)
  const rest = slices.slice(first)
  rest[0] = (rest[0] as Uint8Array).subarray(1)
  return rest
}

/**
 * A chunk as flow-go writes it, byte for byte; with code 4, unless an older form is to be repeated. Throws `encode-refused`. Pauses
 * every few ms.
 */
export function* serializeChunkSteps(chunk: ChunkExecutionData, form: ChunkForm = CURRENT_FORM): Steps<Uint8Array> {
  const cbor = yield* encodeChunkSteps(chunk, form)
  return yield* encodeFrameSteps(cbor.pieces(), [form.code])
}

/** As `serializeChunkSteps`, at one go. */
export function serializeChunk(chunk: ChunkExecutionData): Uint8Array {
  return runNow(serializeChunkSteps(chunk))
}

/** A block's root, code 2. Throws `encode-refused`. */
export function serializeRoot(root: BlockExecutionDataRoot): Uint8Array {
  return runNow(encodeFrameSteps([encodeRoot(root)], [TYPE_CODES.root]))
}

/** One level of a blob tree, code 1. */
export function serializeCidList(cids: readonly CidBytes[] | null): Uint8Array {
  return runNow(encodeFrameSteps([encodeCidList(cids)], [TYPE_CODES.cidList]))
}
