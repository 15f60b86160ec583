import { createReadStream } from 'node:fs'
import {
  checkRoundTrip,
  defaultExecutionDataOptions,
  ExecutionDataError,
  type ExecutionDataOptions
} from '../execution-data/index.ts'
import type { BlobCid, ExecutionDataId } from '../model/index.ts'
import { messageOf } from '../util/index.ts'
import { type CarBlobs, readCarBlobs } from './blob-files.ts'
import { carFiles } from './car-files.ts'

/** What `codec check` found; ready for JSON. */
export interface CodecReport {
  readonly schema: 'sealsync.codec/1'
  /** Every block was decoded and came out again bit for bit, and there was one. */
  readonly ok: boolean
  readonly reasons: readonly string[]
  readonly files: number
  readonly blocks: number
  /** Different blobs of each block, and their bytes. */
  readonly blobs: number
  readonly bytes: number
  /** Decompressed bytes of the chunks. */
  readonly decodedBytes: number
  /** Chunks of the version without transaction results, written again as such. */
  readonly v1Chunks: number
  /** The first thousand; `mismatchCount` has them all. */
  readonly mismatches: readonly CodecMismatch[]
  readonly mismatchCount: number
  /** Decompressed bytes by the time spent, 10^6 bytes a second; null when nothing was decoded. */
  readonly mbPerSecond: { readonly decode: number | null; readonly encode: number | null }
}

export interface CodecMismatch {
  readonly file: string
  readonly executionDataId: ExecutionDataId | null
  /** Position of the chunk; null for the root, and where the block could not be read. */
  readonly chunk: number | null
  readonly cid: BlobCid | null
  readonly encoded: BlobCid | null
  /** `different`, `not-in-tree`, or the code of the error that ended the reading. */
  readonly what: string
  readonly message?: string
}

export interface CodecProgress {
  readonly files: number
  readonly blocks: number
  readonly bytes: number
}

/** Mismatches kept for the report: a folder of foreign data would fill it with millions. */
const MAX_MISMATCHES = 1_000

/**
 * Decodes every block of CAR files, or of folders of them, encodes it again and compares blob by blob. A file that cannot be read is a
 * mismatch. Throws NodeError `config` for a path that is not there; rejects with the signal's reason.
 */
export async function checkCodec(
  request: { readonly paths: readonly string[]; readonly strict: boolean },
  options: {
    readonly signal: AbortSignal
    readonly now: () => number
    readonly onProgress?: (progress: CodecProgress) => void
  }
): Promise<CodecReport> {
  const check = new CodecCheck({ ...defaultExecutionDataOptions, strict: request.strict }, options)
  for (const path of request.paths) for await (const file of carFiles(path)) await check.take(file)
  return check.report()
}

class CodecCheck {
  readonly #options: ExecutionDataOptions
  readonly #run: Parameters<typeof checkCodec>[1]
  readonly #counts = { files: 0, blocks: 0, blobs: 0, bytes: 0, decodedBytes: 0, v1Chunks: 0 }
  readonly #spentMs = { decode: 0, encode: 0, other: 0 }
  readonly #mismatches: CodecMismatch[] = []
  #mismatchCount = 0

  constructor(options: ExecutionDataOptions, run: Parameters<typeof checkCodec>[1]) {
    this.#options = options
    this.#run = run
  }

  async take(file: string): Promise<void> {
    this.#counts.files += 1
    const { signal } = this.#run
    await this.#attempt({ file, executionDataId: null }, async () => {
      const car = await readCarBlobs(createReadStream(file, { signal }), this.#options)
      let inTrees = 0
      for (const root of car.roots) {
        const executionDataId = root.toExecutionDataId()
        await this.#attempt({ file, executionDataId }, async () => {
          inTrees += await this.#checkBlock(file, executionDataId, car)
        })
      }
      if (inTrees < car.size && car.roots.length === 1 && inTrees > 0) {
        const message = `${car.size - inTrees} blobs that no tree has`
        this.#add({ file, executionDataId: null, chunk: null, cid: null, encoded: null, what: 'not-in-tree', message })
      }
    })
    this.#run.onProgress?.(this.#counts)
  }

  report(): CodecReport {
    const { decodedBytes, blocks } = this.#counts
    const rate = (ms: number): number | null =>
      decodedBytes === 0 || ms === 0 ? null : Number((decodedBytes / 1_000 / ms).toPrecision(4))
    const reasons: string[] = []
    if (blocks === 0) reasons.push('no block was checked')
    if (this.#mismatchCount > 0) reasons.push(`${this.#mismatchCount} blobs or files are not what encoding gives`)
    return {
      schema: 'sealsync.codec/1',
      ok: reasons.length === 0,
      reasons,
      ...this.#counts,
      mismatches: this.#mismatches,
      mismatchCount: this.#mismatchCount,
      mbPerSecond: { decode: rate(this.#spentMs.decode), encode: rate(this.#spentMs.encode) }
    }
  }

  /** Checks one block; gives how many blobs its tree has. */
  async #checkBlock(file: string, executionDataId: ExecutionDataId, car: CarBlobs): Promise<number> {
    const { signal, now } = this.#run
    let phase: 'decode' | 'encode' | 'other' = 'other'
    let since = now()
    const onPhase = (next: typeof phase): void => {
      const at = now()
      this.#spentMs[phase] += at - since
      phase = next
      since = at
    }
    const trip = await checkRoundTrip(car, this.#options, { executionDataId, signal, onPhase })
    this.#counts.blocks += 1
    this.#counts.blobs += trip.blobs
    this.#counts.bytes += trip.bytes
    this.#counts.decodedBytes += trip.decodedBytes
    this.#counts.v1Chunks += trip.v1Chunks
    for (const mismatch of trip.mismatches) this.#add({ file, executionDataId, ...mismatch, what: 'different' })
    return trip.blobs
  }

  /** Runs `work`; what is wrong with the file or its data becomes a mismatch. */
  async #attempt(
    at: { readonly file: string; readonly executionDataId: ExecutionDataId | null },
    work: () => Promise<void>
  ): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#run.signal.throwIfAborted()
      if (!(error instanceof ExecutionDataError)) throw error
      this.#add({ ...at, chunk: null, cid: null, encoded: null, what: error.code, message: messageOf(error) })
    }
  }

  #add(mismatch: CodecMismatch): void {
    this.#mismatchCount += 1
    if (this.#mismatches.length < MAX_MISMATCHES) this.#mismatches.push(mismatch)
  }
}
