import type { InspectedBlock, InspectedChunk } from '#src/node/index.ts'
import { formatSize } from '#src/util/index.ts'

/** A block's content for people. */

interface Transaction {
  readonly Payer: string
  readonly Script: string | null
  readonly GasLimit: string
  readonly Authorizers: readonly string[] | null
  readonly ProposalKey: { readonly Address: string; readonly SequenceNumber: string }
}

interface ChunkContent {
  readonly Events:
    | readonly { Type: string; Payload: string | null; EventIndex: number; TransactionIndex: number }[]
    | null
  readonly Collection: { readonly Transactions: readonly (Transaction | null)[] | null } | null
  readonly TrieUpdate: {
    readonly RootHash: string
    readonly Payloads: readonly (Payload | null)[] | null
  } | null
  readonly TransactionResults: readonly { Failed: boolean; TransactionID: string; ComputationUsed: string }[] | null
}

interface Payload {
  readonly Key: { readonly KeyParts: readonly { Type: number; Value: string | null }[] | null }
  readonly Value: string
}

/** Owner and register key of a register id (flow-go `ledger/common/convert`). */
const OWNER = 0
const REGISTER_KEY = 2

export function blockHeader(block: InspectedBlock): string {
  return [
    `block           ${block.blockId}`,
    `execution data  ${block.executionDataId}`,
    `root            ${block.rootCid} (${block.blobs} blobs, ${formatSize(block.bytes)})`,
    ''
  ].join('\n')
}

/** `shown`: elements of each list. */
export function chunkLines(chunk: InspectedChunk, index: number, shown: number): string[] {
  const content = chunk.content as unknown as ChunkContent
  const { transactions, events, registers, results } = chunk.counts
  const old = chunk.code === 3 ? ', the version without results' : ''
  const update = content.TrieUpdate
  return [
    '',
    `chunk ${index}  ${chunk.cid}  ${chunk.levels.join(' → ')} blobs, ${formatSize(chunk.decodedBytes)} decoded${old}`,
    ...section(`${transactions} transactions`, content.Collection?.Transactions ?? [], {
      shown,
      line: transactionLine
    }),
    ...section(`${events} events`, content.Events ?? [], {
      shown,
      line: (event) =>
        `tx ${event.TransactionIndex} event ${event.EventIndex}  ${printable(event.Type)}  ${size(event.Payload)}`
    }),
    ...section(
      `${registers} register updates${update === null ? '' : ` on state ${update.RootHash}`}`,
      update?.Payloads ?? [],
      { shown, line: registerLine }
    ),
    ...section(`${results} results`, content.TransactionResults ?? [], {
      shown,
      line: ({ Failed, TransactionID, ComputationUsed }) =>
        `${TransactionID}  ${Failed ? 'failed' : 'ok'}, computation ${ComputationUsed}`
    })
  ]
}

function section<T>(
  title: string,
  items: readonly T[],
  { shown, line }: { readonly shown: number; readonly line: (item: T, at: number) => string }
): string[] {
  const lines = items.slice(0, Math.min(shown, items.length)).map((item, at) => `    ${line(item, at)}`)
  const more = items.length - lines.length
  return [`  ${title}`, ...lines, ...(more > 0 ? [`    … and ${more} more (--all)`] : [])]
}

function transactionLine(transaction: Transaction | null, at: number): string {
  if (transaction === null) return `${at}  null`
  const { Payer, Script, GasLimit, Authorizers, ProposalKey } = transaction
  const authorizers = Authorizers === null || Authorizers.length === 0 ? 'nobody' : Authorizers.join(', ')
  return `${at}  payer ${Payer}, proposer ${ProposalKey.Address} #${ProposalKey.SequenceNumber}, authorized by ${authorizers}, script ${size(Script)}, gas limit ${GasLimit}`
}

function registerLine(payload: Payload | null): string {
  if (payload === null) return 'null'
  const part = (type: number): string => payload.Key.KeyParts?.find(({ Type }) => Type === type)?.Value ?? ''
  const owner = part(OWNER)
  const value = payload.Value === '' ? 'deleted' : size(payload.Value)
  return `${owner === '' ? 'global' : owner}  ${printable(Buffer.from(part(REGISTER_KEY), 'hex').toString('latin1'))}  ${value}`
}

const size = (hex: string | null): string => (hex === null ? 'none' : formatSize(hex.length / 2))

/** Text from the data on a terminal: nothing but printable ASCII passes, the rest stands as its code. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
