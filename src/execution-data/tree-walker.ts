import { BlobCid, type BlockId, type DigestKey, type ExecutionDataId } from '../model/index.ts'
import { boundedEach } from '../util/index.ts'
import { type BlobTreeManifest, blobCidOf, CidCollector } from './blob-tree.ts'
import { ExecutionDataError, limitExceeded } from './errors.ts'
import type { ExecutionDataOptions } from './options.ts'
import { CHUNK_CODES, deserialize, TYPE_CODES, type TypeCode } from './serializer.ts'
import type { BlockExecutionDataRoot, CidBytes } from './types.ts'

/**
 * Walks a block's blob tree from its execution data id and finds all its CIDs, wherever the blobs come from.
 *
 * Root, then every different chunk once, several at a time. Of each level the first blob that is not empty tells what the level
 * holds: a chunk (its blobs are only asked for, nobody looks into them here) or a CID list (its blobs are kept, decoded, and
 * name the next level). So no more is held in memory than lists and one blob a chunk in progress.
 *
 * Invariant: every bound of the options is met before the next level is asked for; each different blob is counted once.
 */

export interface TreeSource {
  /**
   * Gives a blob's bytes to `look` and resolves with what that returns, rejects with what it throws; `undefined` when the blob is missing
   * and the walk is to go on without it. The bytes themselves go through no promise, which would keep them.
   */
  read<T>(cid: BlobCid, look: (bytes: Uint8Array) => T): Promise<T | undefined>
  /** Makes sure that a blob is there, and gives its length; `undefined` as above. */
  size(cid: BlobCid): Promise<number | undefined>
  /** The walk failed: nothing that is still being loaded is needed. */
  abandon(error: unknown): void
}

export interface WalkedTree {
  readonly root: BlockExecutionDataRoot | undefined
  readonly manifest: BlobTreeManifest
  /** CIDs that the source did not have; what hangs below them is not in the manifest. */
  readonly missing: readonly BlobCid[]
}

/**
 * Throws ExecutionDataError of the malformed kinds, and whatever the source throws. `blockId`, when given, is what the root must name.
 */
export function walkTree(
  source: TreeSource,
  options: ExecutionDataOptions,
  tree: { readonly executionDataId: ExecutionDataId; readonly blockId?: BlockId }
): Promise<WalkedTree> {
  return new TreeWalk(source, options).walk(tree)
}

/** Reads a root blob. Throws the malformed kinds, `block-mismatch` when it names another block than the one given. */
export function readRootBlob(
  bytes: Uint8Array,
  options: ExecutionDataOptions,
  blockId: BlockId | undefined
): BlockExecutionDataRoot {
  checkBlobSize(bytes.length, options)
  const object = deserialize([bytes], { ...options, expected: [TYPE_CODES.root] })
  const root = object.value as BlockExecutionDataRoot
  if (blockId !== undefined && root.blockId !== blockId) {
    throw new ExecutionDataError('block-mismatch', `the root names block ${root.blockId}, not ${blockId}`, {
      details: { expected: blockId, found: root.blockId }
    })
  }
  const count = root.chunkIds?.length ?? 0
  if (count > options.maxChunks) throw limitExceeded('maxChunks', count, options.maxChunks)
  return root
}

/** Reads the CID list that a level's slices hold, as addresses. Throws the malformed kinds. */
export function readListLevel(slices: readonly Uint8Array[], options: ExecutionDataOptions): BlobCid[] {
  const list = deserialize(slices, { ...options, expected: [TYPE_CODES.cidList] }).value as readonly CidBytes[] | null
  if (list === null || list.length === 0) throw new ExecutionDataError('tree-malformed', 'a CID list without CIDs')
  if (list.length > options.maxLevelCids) throw limitExceeded('maxLevelCids', list.length, options.maxLevelCids)
  return list.map(blobCidOf)
}

/** Throws `blob-too-large`. */
export function checkBlobSize(size: number, options: Pick<ExecutionDataOptions, 'maxBlobBytes'>): void {
  if (size > options.maxBlobBytes) {
    throw new ExecutionDataError(
      'blob-too-large',
      `a blob of ${size} bytes, at most ${options.maxBlobBytes} are allowed`,
      {
        details: { size }
      }
    )
  }
}

/** What a level holds by its first byte: true for a chunk, false for a CID list. Throws `code-unexpected` for anything else. */
export function holdsChunk(code: number | undefined): boolean {
  if (CHUNK_CODES.includes(code as TypeCode)) return true
  if (code === TYPE_CODES.cidList) return false
  const what = code === undefined ? 'a level without bytes' : `type code ${code} in a chunk's tree`
  throw new ExecutionDataError('code-unexpected', what, { details: { code } })
}

/** What a level's first blob tells: its code, none when it is empty; and all of it when it belongs to a CID list. */
interface Head {
  readonly code: number | undefined
  readonly listBytes: Uint8Array
}

const headOf = (bytes: Uint8Array): Head => ({
  code: bytes[0],
  listBytes: bytes[0] === TYPE_CODES.cidList ? bytes : NOTHING
})

const NOTHING = new Uint8Array(0)

/** Most bytes that a CID takes in a list; 36 when it is of version 0. */
const CID_WIRE_BYTES = 64

class TreeWalk {
  readonly #source: TreeSource
  readonly #options: ExecutionDataOptions
  readonly #sizes = new Map<DigestKey, number>()
  readonly #cids = new Map<DigestKey, BlobCid>()
  readonly #missing = new CidCollector()
  #bytes = 0
  #occurrences = 0
  /** Of all lists that are held now. */
  #listBytes = 0

  constructor(source: TreeSource, options: ExecutionDataOptions) {
    this.#source = source
    this.#options = options
  }

  async walk(tree: { executionDataId: ExecutionDataId; blockId?: BlockId }): Promise<WalkedTree> {
    const { executionDataId } = tree
    try {
      const rootCid = this.#intern(BlobCid.fromExecutionDataId(executionDataId))
      const root = await this.#read(rootCid, (bytes) => readRootBlob(bytes, this.#options, tree.blockId))
      const tops = (root?.chunkIds ?? []).map((cid) => this.#intern(blobCidOf(cid)))
      const chunks = new Map<DigestKey, readonly (readonly BlobCid[])[]>()
      for (const cid of tops) chunks.set(cid.key, [])
      await boundedEach([...chunks.keys()], this.#options.parallelFetches, async (key) => {
        chunks.set(key, await this.#walkChunk(this.#cids.get(key) as BlobCid))
      })
      const order = new CidCollector()
      order.add(rootCid)
      for (const levels of chunks.values()) for (const level of levels) for (const cid of level) order.add(cid)
      const lengths = new Map([...chunks].map(([key, levels]) => [key, levels.map((level) => level.length)]))
      const manifest: BlobTreeManifest = {
        executionDataId,
        cids: order.cids,
        bytes: this.#bytes,
        chunks: tops.map((cid) => ({ cid, levels: lengths.get(cid.key) ?? [] }))
      }
      return { root, manifest, missing: this.#missing.cids }
    } catch (error) {
      this.#source.abandon(error)
      throw error
    }
  }

  /** The levels of a chunk's tree, repeats and all, top first. */
  async #walkChunk(top: BlobCid): Promise<BlobCid[][]> {
    try {
      const levels: BlobCid[][] = []
      for (let level = [top]; ; ) {
        levels.push(level)
        if (levels.length > this.#options.maxTreeDepth) {
          throw limitExceeded('maxTreeDepth', levels.length, this.#options.maxTreeDepth)
        }
        this.#occurrences += level.length
        if (this.#occurrences > this.#options.maxBlockCids) {
          throw limitExceeded('maxBlockCids', this.#occurrences, this.#options.maxBlockCids)
        }
        const next = await this.#nextLevel(level)
        if (next === undefined) return levels
        level = next.map((cid) => this.#intern(cid))
      }
    } catch (error) {
      // told at once, so that chunks on their way end too and the failure is not held up by them
      this.#source.abandon(error)
      throw error
    }
  }

  /** The level below, `undefined` when this one holds the chunk or cannot be read for want of a blob. */
  async #nextLevel(level: readonly BlobCid[]): Promise<BlobCid[] | undefined> {
    const different = [...new Map(level.map((cid) => [cid.key, cid])).values()]
    const loaded = new Map<DigestKey, Uint8Array>()
    let code: number | undefined
    let known = true
    for (const cid of different) {
      const head = await this.#read(cid, headOf)
      if (head === undefined) known = false
      else loaded.set(cid.key, head.listBytes)
      if (head === undefined || head.code !== undefined) {
        code = head?.code
        break
      }
    }
    const rest = different.slice(loaded.size + (known ? 0 : 1))
    if (!known || holdsChunk(code)) {
      loaded.clear()
      await boundedEach(rest, this.#options.parallelFetches, async (cid) =>
        this.#account(cid, await this.#source.size(cid))
      )
      return undefined
    }
    return this.#readList(level, rest, loaded)
  }

  async #readList(
    level: readonly BlobCid[],
    rest: readonly BlobCid[],
    loaded: Map<DigestKey, Uint8Array>
  ): Promise<BlobCid[] | undefined> {
    let held = 0
    const hold = (bytes: Uint8Array): void => {
      held += bytes.length
      this.#listBytes += bytes.length
      // digests do not compress: what exceeds the list itself by a blob is not part of it
      const bound = this.#options.maxListBytes + this.#options.maxBlobBytes
      if (held > bound) throw limitExceeded('maxListBytes', held, bound)
      const blockBound = this.#options.maxBlockCids * CID_WIRE_BYTES + this.#options.maxBlobBytes
      if (this.#listBytes > blockBound)
        throw limitExceeded('maxBlockCids', this.#listBytes / CID_WIRE_BYTES, this.#options.maxBlockCids)
    }
    try {
      for (const bytes of loaded.values()) hold(bytes)
      await boundedEach(rest, this.#options.parallelFetches, async (cid) => {
        const bytes = await this.#read(cid, (whole) => whole)
        if (bytes === undefined) return
        loaded.set(cid.key, bytes)
        hold(bytes)
      })
      const slices = level.map((cid) => loaded.get(cid.key))
      return slices.includes(undefined) ? undefined : readListLevel(slices as Uint8Array[], this.#options)
    } finally {
      this.#listBytes -= held
    }
  }

  async #read<T>(cid: BlobCid, look: (bytes: Uint8Array) => T): Promise<T | undefined> {
    const seen = await this.#source.read(cid, (bytes) => {
      this.#account(cid, bytes.length)
      return look(bytes)
    })
    if (seen === undefined) this.#account(cid, undefined)
    return seen
  }

  #account(cid: BlobCid, size: number | undefined): void {
    if (size === undefined) {
      this.#missing.add(cid)
    } else if (!this.#sizes.has(cid.key)) {
      checkBlobSize(size, this.#options)
      this.#sizes.set(cid.key, size)
      this.#bytes += size
      if (this.#bytes > this.#options.maxBlockBytes) {
        throw limitExceeded('maxBlockBytes', this.#bytes, this.#options.maxBlockBytes)
      }
    }
  }

  /** One object for each different CID, however often it is listed. */
  #intern(cid: BlobCid): BlobCid {
    const known = this.#cids.get(cid.key)
    if (known !== undefined) return known
    this.#cids.set(cid.key, cid)
    return cid
  }
}
