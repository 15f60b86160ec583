import { Buffer } from 'node:buffer'

/**
 * The fields of one of flow-go's structs as map keys, in the order of the wire (RFC 8949 core deterministic: shorter names
 * first, then bytewise).
 */
export class Shape {
  /** Each name with its head, as it stands in canonical CBOR. */
  readonly encoded: readonly Uint8Array[]
  readonly #lower: readonly Uint8Array[]

  constructor(names: readonly string[]) {
    this.encoded = names.map((name) => new Uint8Array([0x60 + name.length, ...Buffer.from(name, 'latin1')]))
    this.#lower = names.map((name) => new Uint8Array(Buffer.from(name.toLowerCase(), 'latin1')))
  }

  /** The field a key names, upper and lower case being the same, or −1. Names are ASCII, so only ASCII letters fold. */
  find(name: Uint8Array): number {
    for (let field = 0; field < this.#lower.length; field += 1) {
      const expected = this.#lower[field] as Uint8Array
      if (expected.length === name.length && sameFolded(expected, name)) return field
    }
    return -1
  }
}

function sameFolded(lower: Uint8Array, name: Uint8Array): boolean {
  for (let i = 0; i < lower.length; i += 1) {
    const byte = name[i] as number
    if ((byte >= 65 && byte <= 90 ? byte + 32 : byte) !== lower[i]) return false
  }
  return true
}

export const ROOT = new Shape(['BlockID', 'ChunkExecutionDataIDs'])
export const CHUNK = new Shape(['Events', 'Collection', 'TrieUpdate', 'TransactionResults'])
export const COLLECTION = new Shape(['Transactions'])
export const TRANSACTION = new Shape([
  'Payer',
  'Script',
  'GasLimit',
  'Arguments',
  'Authorizers',
  'ProposalKey',
  'ReferenceBlockID',
  'PayloadSignatures',
  'EnvelopeSignatures'
])
export const PROPOSAL_KEY = new Shape(['Address', 'KeyIndex', 'SequenceNumber'])
export const SIGNATURE = new Shape(['Address', 'KeyIndex', 'Signature', 'SignerIndex', 'ExtensionData'])
export const EVENT = new Shape(['Type', 'Payload', 'EventIndex', 'TransactionID', 'TransactionIndex'])
export const TRIE_UPDATE = new Shape(['Paths', 'Payloads', 'RootHash'])
export const PAYLOAD = new Shape(['Key', 'Value'])
export const KEY = new Shape(['KeyParts'])
export const KEY_PART = new Shape(['Type', 'Value'])
export const RESULT = new Shape(['Failed', 'TransactionID', 'ComputationUsed'])
/** `cid.Cid` has no exported field, so every key of a map in its place is unknown. */
export const CID = new Shape([])
