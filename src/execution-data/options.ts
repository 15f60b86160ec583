import { MAX_BLOB_BYTES } from '../model/index.ts'
import { formatSize } from '../util/index.ts'

/** Bounds of decoding one serialized object. */
export interface DecodeOptions {
  /**
   * Refuse what no well-behaved producer writes: frames whose descriptor is another than flow-go's, whose content checksum or end mark
   * is wrong or missing, or that are followed by more; CBOR that is not the deterministic encoding of what it says; null elements.
   * flow-go takes all of these, so a sealed id may stand for them, and a blob's CID already vouches for its bytes: for tools that
   * check producers. Encodes every object again.
   */
  readonly strict: boolean
  /**
   * Largest decompressed chunk, bytes. Real chunks are below 20 MiB; a chunk is held whole while it is decoded, so this is the
   * memory one decoding can take.
   */
  readonly maxChunkBytes: number
  /** Largest decompressed CID list or root, bytes: 36 bytes a CID, so 4 MiB are some 116,000 CIDs. */
  readonly maxListBytes: number
  /** Up to so many decompressed bytes any compression ratio is taken: 9 MiB of zeros are 37 KB, and legal. */
  readonly ratioFreeBytes: number
  /** Above `ratioFreeBytes`, decompressed bytes for each compressed byte. Real data has 3.9; LZ4 cannot exceed 255. */
  readonly maxRatio: number
  /** Blocks of one LZ4 frame. A whole `maxChunkBytes` in the smallest blocks has 2,048; each block costs a header and a view. */
  readonly maxFrameBlocks: number
  /**
   * Elements of all lists of one object. Each element of a decoded object costs at least 100 bytes of heap whatever it took on
   * the wire, so this bounds what a million nulls can make of a kilobyte. The largest real chunks have tens of thousands.
   */
  readonly maxItems: number
  /** Up to so many elements are taken whatever they took on the wire: some 13 MB of memory at the worst, the 4 MiB of text that held them with it. */
  readonly freeItems: number
  /** Above `freeItems`, compressed bytes that each element must have. Real events, payloads and paths have more than 30. */
  readonly minItemBytes: number
  /** Bytes of work between two pauses for the event loop: a pause each 2–10 ms. */
  readonly pauseBytes: number
}

export interface ExecutionDataOptions extends DecodeOptions {
  /** Largest blob made, or accepted from a peer, bytes. Everyone must agree on it. */
  readonly maxBlobBytes: number
  /** Chunks of one block. Real blocks have up to some hundred; repeated CIDs let a 1 MiB root name millions. */
  readonly maxChunks: number
  /** Levels of one chunk's tree. 1 MiB blobs need three for 29 GB; each level costs a round trip. */
  readonly maxTreeDepth: number
  /** CIDs of one level of a chunk's tree, repeats counted: 65,536 blobs of 1 MiB are 64 GiB. */
  readonly maxLevelCids: number
  /** CIDs of all levels of a block's different chunks, repeats counted: what is held in memory while a tree is walked. */
  readonly maxBlockCids: number
  /** Bytes of a block's different blobs. Blocks are a few MB; a sealed bomb stops here before it fills the disk. */
  readonly maxBlockBytes: number
  /** Serialized bytes of one chunk, repeats counted; what one decoding reads. */
  readonly maxChunkSerializedBytes: number
  /** Decompressed bytes of a block's different chunks that `readBlock` holds at once. */
  readonly maxDecodedBlockBytes: number
  /** Blobs one download waits for at once, beside the hint's: the most memory they can take is so many MiB. */
  readonly parallelFetches: number
  /** CIDs of the hint one download wants at once before the tree has confirmed them. 0 ignores hints. */
  readonly maxHintFetches: number
  /** Unconfirmed bytes at which the hint is given up for the rest of the download: what a false hint can cost. */
  readonly maxUnconfirmedBytes: number
  /**
   * Bytes that false hints of all heights may cost together, at once and a second; while they are used up, hints are passed
   * over. Two hints that lie as much as one may; an author that lies at every height costs what the second says, and no more.
   */
  readonly maxFalseHintBytes: number
  readonly falseHintBytesPerSecond: number
  /** Bytes handed to the store and not yet durable at which no new fetch begins: a slow disk holds back the network. */
  readonly maxUndurableBytes: number
}

const MIB = 1_048_576
/** Smallest `maxBlobBytes`: a CID takes 36 bytes in a list, so with less a list would not get shorter than what it lists. */
export const MIN_MAX_BLOB_BYTES = 128

export const defaultExecutionDataOptions: ExecutionDataOptions = Object.freeze({
  strict: false,
  maxChunkBytes: 128 * MIB,
  maxListBytes: 4 * MIB,
  ratioFreeBytes: 16 * MIB,
  maxRatio: 64,
  maxFrameBlocks: 65_536,
  maxItems: 524_288,
  freeItems: 98_304,
  minItemBytes: 4,
  pauseBytes: MIB,
  maxBlobBytes: MAX_BLOB_BYTES,
  maxChunks: 8_192,
  maxTreeDepth: 32,
  maxLevelCids: 65_536,
  maxBlockCids: 262_144,
  maxBlockBytes: 1024 * MIB,
  maxChunkSerializedBytes: 128 * MIB,
  maxDecodedBlockBytes: 256 * MIB,
  parallelFetches: 64,
  maxHintFetches: 256,
  maxUnconfirmedBytes: 32 * MIB,
  maxFalseHintBytes: 64 * MIB,
  falseHintBytesPerSecond: 1 * MIB,
  maxUndurableBytes: 64 * MIB
})

/** Throws a RangeError that says what would break. */
export function validateExecutionDataOptions(options: ExecutionDataOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (name === 'strict') continue
    const least = name === 'maxHintFetches' ? 0 : 1
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(`${name} must be an integer of at least ${least}, not ${String(value)}`)
    }
  }
  if (options.maxBlobBytes < MIN_MAX_BLOB_BYTES)
    throw new RangeError('maxBlobBytes below 128: a list of blobs would not get shorter than they are')
  if (options.maxBlobBytes > MAX_BLOB_BYTES) {
    throw new RangeError(`maxBlobBytes above ${formatSize(MAX_BLOB_BYTES)}: no other node would take such blobs`)
  }
  if (options.maxBlockBytes < options.maxBlobBytes)
    throw new RangeError('maxBlockBytes below maxBlobBytes: a root might not fit')
  if (options.maxRatio > 255)
    throw new RangeError('maxRatio above 255: LZ4 cannot reach it, the bound would mean nothing')
}
