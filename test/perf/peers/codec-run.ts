// One run of the benchmark `codec` in a process of its own: `codec-run.ts sealsync|lz4-napi` prints one line of JSON with its figures.
import { readdirSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { readCar } from '#src/execution-data/index.ts'
import { decodeFrame } from '#src/execution-data/lz4/frame-decode.ts'
import { encodeFrame } from '#src/execution-data/lz4/frame-encode.ts'
import { defaultExecutionDataOptions } from '#src/execution-data/options.ts'
import { deserialize, deserializeSteps, serializeChunk, serializeChunkSteps } from '#src/execution-data/serializer.ts'
import type { ChunkExecutionData } from '#src/execution-data/types.ts'
import { bombs } from './bombs.ts'

const CHAIN = new URL('../../fixtures/chain/', import.meta.url)
const MIB = 1_048_576
/** Every figure is over at least so much time, ms. */
const LEAST_MS = 600
/** The plaintext of the one large chunk that memory and pauses are measured with. */
const LARGE_BYTES = 32 * MIB

const options = { ...defaultExecutionDataOptions, expected: [4] as const }
const lz4Options = { ...defaultExecutionDataOptions, maxOutputBytes: 128 * MIB, outputLimit: 'maxChunkBytes' }

/** Serialized chunks of the genuine chain that lie in one blob. */
async function chunks(): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  for (const name of readdirSync(CHAIN)
    .filter((file) => file.endsWith('.car'))
    .sort()) {
    const car = await readCar([new Uint8Array(readFileSync(new URL(name, CHAIN)))], { maxBlobBytes: MIB })
    for await (const { bytes } of car.blobs)
      if (bytes[0] === 4 && bytes[1] === 0x04 && bytes.length < MIB) found.push(bytes)
  }
  return found
}

/**
 * Decimal MB of plaintext in a second of CPU: what one core does, whatever else the machine is doing. As many rounds as take `LEAST_MS`,
 * after one that does not count.
 */
function rate(plainBytes: number, round: () => void): number {
  round()
  let rounds = 0
  const began = process.cpuUsage()
  const spentMs = (): number => {
    const { user, system } = process.cpuUsage(began)
    return (user + system) / 1_000
  }
  while (spentMs() < LEAST_MS) {
    round()
    rounds += 1
  }
  return (plainBytes * rounds) / 1_000 / spentMs()
}

/** One chunk with the content of all of them, again and again. */
function largeChunk(all: readonly ChunkExecutionData[], bytes: number, plainBytes: number): ChunkExecutionData {
  const times = Math.ceil(bytes / plainBytes)
  const repeated = <T>(of: (chunk: ChunkExecutionData) => readonly T[] | null | undefined): T[] =>
    Array.from({ length: times }, () => all.flatMap((chunk) => of(chunk) ?? [])).flat()
  return {
    events: repeated((chunk) => chunk.events),
    collection: { transactions: repeated((chunk) => chunk.collection?.transactions) },
    trieUpdate: {
      paths: repeated((chunk) => chunk.trieUpdate?.paths),
      payloads: repeated((chunk) => chunk.trieUpdate?.payloads),
      rootHash: new Uint8Array(32)
    },
    transactionResults: repeated((chunk) => chunk.transactionResults)
  }
}

const inUse = (): number => {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** CPU time of this thread, ms: what a stretch of work takes on a core of its own. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

interface Walked<T> {
  readonly value: T
  /** Longest stretch without a pause, ms of CPU and of the wall's clock. */
  readonly longestMs: number
  readonly longestWallMs: number
  /** The most memory in use above the start. */
  readonly peakBytes: number
}

function walk<T>(steps: Generator<undefined, T, undefined>): Walked<T> {
  // Twice: what lies outside of the heap goes with the objects that the first one freed.
  globalThis.gc?.()
  globalThis.gc?.()
  const before = inUse()
  let longestMs = 0
  let longestWallMs = 0
  let peakBytes = 0
  for (;;) {
    const began = cpuMs()
    const beganAt = performance.now()
    const step = steps.next()
    longestMs = Math.max(longestMs, cpuMs() - began)
    longestWallMs = Math.max(longestWallMs, performance.now() - beganAt)
    globalThis.gc?.({ type: 'minor' })
    peakBytes = Math.max(peakBytes, inUse() - before)
    if (step.done === true) return { value: step.value, longestMs, longestWallMs, peakBytes }
  }
}

async function ours(): Promise<Record<string, number>> {
  const serialized = await chunks()
  const frames = serialized.map((bytes) => bytes.subarray(1))
  const plain = frames.map((frame) => decodeFrame([frame], lz4Options).bytes)
  const plainBytes = plain.reduce((sum, { length }) => sum + length, 0)
  const read = (bytes: Uint8Array): ChunkExecutionData => {
    const object = deserialize([bytes], options)
    if (object.code !== 4) throw new TypeError('not a chunk')
    return object.value
  }
  const objects = serialized.map(read)
  const figures: Record<string, number> = {
    plainMB: plainBytes / 1e6,
    compression: plainBytes / serialized.reduce((sum, { length }) => sum + length, 0),
    lz4DecodeMBs: rate(plainBytes, () => frames.forEach((frame) => void decodeFrame([frame], lz4Options))),
    lz4EncodeMBs: rate(plainBytes, () => plain.forEach((bytes) => void encodeFrame(bytes))),
    chunkDecodeMBs: rate(plainBytes, () => serialized.forEach((bytes) => void read(bytes))),
    chunkEncodeMBs: rate(plainBytes, () => objects.forEach((chunk) => void serializeChunk(chunk)))
  }
  const encoded = walk(serializeChunkSteps(largeChunk(objects, LARGE_BYTES, plainBytes)))
  const large = { ...options, maxItems: 10_000_000 }
  const decoded = walk(deserializeSteps([encoded.value], large))
  const length = decoded.value.code === 4 ? decoded.value.decodedBytes : Number.NaN
  figures['decodePeakPerPlainByte'] = decoded.peakBytes / length
  figures['encodePeakPerPlainByte'] = encoded.peakBytes / length
  figures['decodeLongestPauselessMs'] = decoded.longestMs
  figures['encodeLongestPauselessMs'] = encoded.longestMs
  figures['decodeLongestPauselessWallMs'] = decoded.longestWallMs
  figures['encodeLongestPauselessWallMs'] = encoded.longestWallMs
  for (const bomb of bombs()) {
    const { name } = bomb
    bomb.run()
    globalThis.gc?.()
    const before = inUse()
    const began = cpuMs()
    bomb.run()
    figures[`bomb ${name}: ms`] = cpuMs() - began
    figures[`bomb ${name}: MiB`] = Math.max(0, inUse() - before) / MIB
  }
  return figures
}

/** The native library that is nearest: blocks of 4 MiB at most, its own choices of matches. */
async function native(): Promise<Record<string, number>> {
  const { compressFrameSync, decompressFrameSync } = await import('lz4-napi')
  const frames = (await chunks()).map((bytes) => Buffer.from(bytes.subarray(1)))
  const plain = frames.map((frame) => decompressFrameSync(frame))
  const plainBytes = plain.reduce((sum, { length }) => sum + length, 0)
  return {
    plainMB: plainBytes / 1e6,
    lz4DecodeMBs: rate(plainBytes, () => frames.forEach((frame) => void decompressFrameSync(frame))),
    lz4EncodeMBs: rate(plainBytes, () =>
      plain.forEach((bytes) => void compressFrameSync(bytes, { contentChecksum: true }))
    )
  }
}

const { positionals } = parseArgs({ allowPositionals: true })
process.stdout.write(`${JSON.stringify(await (positionals[0] === 'lz4-napi' ? native() : ours()))}\n`)
