/**
 * Flow's Access API over gRPC (onflow/flow `protobuf/flow/access/access.proto`): three of its calls. Loaded only where a node follows such a
 * host.
 *
 * The execution data id stands in a field of the execution result that upstream marks as deprecated and that is all there is. A host that
 * leaves it empty is told apart from one that has no result.
 */
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import { type ExecutionDataId, parseBlockId, parseExecutionDataId } from '../../model/index.ts'
import { fromHex, messageOf, toHex } from '../../util/index.ts'
import { FeedError, type FeedErrorCode } from '../errors.ts'
import type { FlowAccessOptions } from '../options.ts'
import type { AccessHost, CallOptions, SealedHeader } from './access-host.ts'
import { AccessAPI } from './generated/flow/access/access_pb.ts'
import type { BlockHeader } from './generated/flow/entities/block_header_pb.ts'

/** `address` is `HOST:PORT`, or `https://HOST:PORT` where the host has a certificate that this machine trusts. */
export function connectAccessHost(
  address: string,
  options: Pick<FlowAccessOptions, 'maxAnswerBytes' | 'keepAliveMs'>
): AccessHost {
  const name = address.replace(/^https:\/\//, '')
  const baseUrl = address === name ? `http://${name}` : address
  const sessionManager = new Http2SessionManager(baseUrl, { pingIntervalMs: options.keepAliveMs })
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager,
    readMaxBytes: options.maxAnswerBytes,
    acceptCompression: []
  })
  const client = createClient(AccessAPI, transport)
  const call = async <T>(run: (signal: AbortSignal) => Promise<T>, { signal }: CallOptions): Promise<T> => {
    try {
      return await run(signal)
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof FeedError ? error : failureOf(name, error)
    }
  }
  return {
    name,
    latestSealed: (call_) =>
      call(async (signal) => {
        const { block } = await client.getLatestBlockHeader({ isSealed: true }, { signal })
        return headerOf(name, block)
      }, call_),
    headerAt: (height, call_) =>
      call(async (signal) => {
        const { block } = await client.getBlockHeaderByHeight({ height: BigInt(height) }, { signal })
        const header = headerOf(name, block)
        if (header.height !== height)
          throw malformed(name, `asked for height ${height}, the header is of ${header.height}`)
        return header
      }, call_),
    executionDataIdOf: (blockId, call_) =>
      call(async (signal) => {
        const asked = fromHex(blockId, 32) as Uint8Array<ArrayBuffer>
        const { executionResult } = await client.getExecutionResultForBlockID({ blockId: asked }, { signal })
        if (executionResult === undefined) throw malformed(name, 'an answer without a result')
        if (toHex(executionResult.blockId) !== blockId) throw malformed(name, 'the result is of another block')
        return executionDataIdIn(name, executionResult.executionDataId)
      }, call_),
    close: () => sessionManager.abort(new FeedError('stopped', 'the feed has been stopped'))
  }
}

function headerOf(name: string, header: BlockHeader | undefined): SealedHeader {
  if (header === undefined) throw malformed(name, 'an answer without a header')
  const height = Number(header.height)
  const blockId = parseBlockId(toHex(header.id))
  const parentId = parseBlockId(toHex(header.parentId))
  if (!Number.isSafeInteger(height)) throw malformed(name, `a height of ${header.height}`)
  if (blockId === undefined || parentId === undefined) throw malformed(name, 'an id that has not 32 bytes')
  return { height, blockId, parentId }
}

function executionDataIdIn(name: string, bytes: Uint8Array): ExecutionDataId {
  // a flow-go node writes nothing, or the identifier of zeros
  if (bytes.every((byte) => byte === 0)) {
    throw new FeedError('execution-data-id-empty', `${name}: the result's execution data id is empty`)
  }
  const id = parseExecutionDataId(toHex(bytes))
  if (id === undefined) throw malformed(name, `an execution data id of ${bytes.length} bytes`)
  return id
}

const malformed = (name: string, what: string): FeedError => new FeedError('answer-malformed', `${name}: ${what}`)

/** Status codes of gRPC, by what they mean for the one who asks. */
const FAILURES: Partial<Record<Code, FeedErrorCode>> = {
  [Code.NotFound]: 'not-found',
  [Code.OutOfRange]: 'not-found',
  [Code.Unavailable]: 'host-unreachable',
  [Code.DeadlineExceeded]: 'host-timeout',
  [Code.Canceled]: 'host-unreachable',
  [Code.Aborted]: 'host-unreachable'
}

function failureOf(name: string, cause: unknown): FeedError {
  const error = ConnectError.from(cause)
  // what the client itself refuses to read; a host that is short of something says the same of itself
  const tooLarge = error.code === Code.ResourceExhausted && /larger than configured/.test(error.rawMessage)
  const code = tooLarge ? 'answer-too-large' : (FAILURES[error.code] ?? 'host-refused')
  return new FeedError(code, `${name}: ${messageOf(cause)}`, { cause })
}
