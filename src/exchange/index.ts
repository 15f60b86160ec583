/** The exchange's only door: bitswap 1.2.0 with one asker per blob. */
import type { Exchange } from './exchange.ts'
import { type ExchangeComponents, ExchangeService } from './exchange-service.ts'
import { type ExchangeOptionsChange, exchangeOptions } from './options.ts'

// The wire, for those who speak it by hand: the lab's hostile peers.
export { MessageDecoder } from './message/decoder.ts'
export { encodeBlocks, encodeCancel, encodeControl, encodePresence, encodeWantBlock } from './message/encoder.ts'
export { CID_V0, type WantEntry } from './message/types.ts'
export type { PeerDirectory } from './client/peer-choice.ts'
export type { ExchangeErrorCode } from './errors.ts'
export type {
  Exchange,
  ExchangeSession,
  ExchangeSessionOptions,
  ExchangeStatus,
  ProviderRouter,
  WantState
} from './exchange.ts'
export type { ExchangeComponents } from './exchange-service.ts'
export { type HeliaComponents, loadHeliaExchange } from './network/helia-exchange.ts'
export {
  EXECUTION_DATA_PREFIX,
  Libp2pNetwork,
  type Libp2pNetworkComponents,
  type Libp2pNetworkOptions,
  PUBLIC_EXECUTION_DATA_PREFIX
} from './network/libp2p-network.ts'
export type {
  ExchangeNetwork,
  ExchangeStream,
  NetworkEvents,
  PeerEventSource,
  StreamEvents
} from './network/network.ts'
export {
  defaultExchangeOptions,
  type ExchangeOptions,
  type ExchangeOptionsChange,
  exchangeOptions,
  validateExchangeOptions
} from './options.ts'

/** Throws ExchangeError `bad-option`. */
export function createExchange(components: ExchangeComponents, options: ExchangeOptionsChange = {}): Exchange {
  return new ExchangeService(components, exchangeOptions(options))
}
