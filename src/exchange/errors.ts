import { AppError } from '../util/index.ts'

/**
 * - `stopped`: the exchange was stopped while the fetch waited.
 * - `message-too-large`: a message claims more than `maxMessageBytes`.
 * - `block-too-large`: a block claims more than `maxBlockBytes`.
 * - `malformed`: bytes that are no bitswap message.
 * - `peer-gone`: a stream was wanted to a peer that is not connected.
 * - `unsupported`: a stream was wanted to a peer that does not speak the protocol.
 * - `stream-closed`: something was sent on a stream that is closed.
 * - `helia-not-installed`: a node is to use Helia's bitswap, and the package is not there; the message says how to have it.
 * - `bad-option`: an option's value would break the exchange.
 */
export type ExchangeErrorCode =
  | 'stopped'
  | 'message-too-large'
  | 'block-too-large'
  | 'malformed'
  | 'peer-gone'
  | 'unsupported'
  | 'stream-closed'
  | 'helia-not-installed'
  | 'bad-option'

export class ExchangeError extends AppError<ExchangeErrorCode> {}
