/** From an execution data id to the whole blob tree and back. */
export {
  type BlobTreeManifest,
  type ChunkTree,
  type EncodedBlock,
  encodeBlock,
  encodeBlockInTurns
} from './blob-tree.ts'
export { blockToJson, chunkToJson, type Json } from './canonical-json.ts'
export { type CarFile, readCar } from './car/reader.ts'
export { carHeader, carSectionLength, writeCar } from './car/writer.ts'
export type { DownloaderComponents, DownloadSession } from './download-ports.ts'
export { Downloader } from './downloader.ts'
export {
  ExecutionDataError,
  type ExecutionDataErrorCode,
  isMalformed
} from './errors.ts'
export {
  type ContentCheck,
  ExecutionDataStore,
  type ExecutionDataStoreComponents,
  type TreeCheck
} from './execution-data-store.ts'
export { createExecutionDataMetrics, type ExecutionDataMetrics } from './metrics.ts'
export {
  type DecodeOptions,
  defaultExecutionDataOptions,
  type ExecutionDataOptions,
  validateExecutionDataOptions
} from './options.ts'
export {
  type BlobSource,
  checkRoundTrip,
  type DecodedChunkTree,
  type Mismatch,
  openBlock,
  type RoundTrip,
  type RoundTripOptions
} from './round-trip.ts'
export {
  type Deserialized,
  type DeserializeOptions,
  deserialize,
  serializeChunk,
  type TypeCode
} from './serializer.ts'
export type {
  BlockExecutionData,
  BlockExecutionDataRoot,
  ChunkExecutionData,
  CidBytes,
  Collection,
  ContentCounts,
  Event,
  KeyPart,
  LightTransactionResult,
  Payload,
  ProposalKey,
  TransactionBody,
  TransactionSignature,
  TrieUpdate
} from './types.ts'
