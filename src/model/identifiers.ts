declare const brand: unique symbol
type Branded<T, Name extends string> = T & { readonly [brand]: Name }

/** A chain block's height: a safe integer, 0 or more. */
export type Height = number

/** A chain block's id: 64 lower-case hex digits. */
export type BlockId = Branded<string, 'BlockId'>

/** The sha-256 digest of a block's root blob: 64 lower-case hex digits. */
export type ExecutionDataId = Branded<string, 'ExecutionDataId'>

/** A staked node's id in the identity table: 64 lower-case hex digits. */
export type NodeId = Branded<string, 'NodeId'>

/** A libp2p peer id in its base58 text form (`Qm…` for staked P-256 keys). */
export type PeerIdText = Branded<string, 'PeerIdText'>

const HEX_64 = /^[0-9a-f]{64}$/

function parseHex64<T>(value: unknown): T | undefined {
  if (typeof value !== 'string') return undefined
  const text = value.toLowerCase()
  return HEX_64.test(text) ? (text as T) : undefined
}

/** Gives `undefined` for anything that is not 64 hex digits. */
export const parseBlockId = (value: unknown): BlockId | undefined => parseHex64<BlockId>(value)
/** Gives `undefined` for anything that is not 64 hex digits. */
export const parseExecutionDataId = (value: unknown): ExecutionDataId | undefined => parseHex64<ExecutionDataId>(value)
/** Gives `undefined` for anything that is not 64 hex digits. */
export const parseNodeId = (value: unknown): NodeId | undefined => parseHex64<NodeId>(value)

/** Accepts an integer, or its decimal text; gives `undefined` for anything else or beyond 2^53 − 1. */
export function parseHeight(value: unknown): Height | undefined {
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined
}
