import type {
  Event,
  KeyPart,
  LightTransactionResult,
  Payload,
  ProposalKey,
  TransactionBody,
  TransactionSignature
} from '../types.ts'
import { DONE, NIL } from './cursor.ts'
import { type CborReader, EMPTY_BYTES, UNKNOWN_KEY } from './reader.ts'
import { EVENT, KEY, KEY_PART, PAYLOAD, PROPOSAL_KEY, RESULT, type Shape, SIGNATURE, TRANSACTION } from './shape.ts'

/**
 * The elements of a chunk's lists. Every reader takes null for the zero value, except where flow-go has a pointer
 * (transactions and payloads), passes over unknown keys, and lets the first of several equal keys win.
 */

const UINT16 = 0xffff
const UINT32 = 0xffff_ffff
const ZERO_ADDRESS: Uint8Array = new Uint8Array(8)
const ZERO_ID: Uint8Array = new Uint8Array(32)

/**
 * Walks the fields of a map in whatever order they stand. Unknown and repeated keys are passed over.
 */
export class Fields {
  readonly #reader: CborReader
  readonly #shape: Shape
  #left: number
  #seen = 0
  #guess = 0

  constructor(reader: CborReader, shape: Shape) {
    this.#reader = reader
    this.#shape = shape
    this.#left = reader.open(5)
  }

  next(): number {
    if (this.#left === NIL) return -1
    const reader = this.#reader
    for (;;) {
      this.#left = reader.step(this.#left)
      if (this.#left === DONE) {
        reader.leave()
        return -1
      }
      const field = reader.key(this.#shape, this.#guess)
      this.#guess = field + 1
      if (field !== UNKNOWN_KEY && (this.#seen & (1 << field)) === 0) {
        this.#seen |= 1 << field
        return field
      }
      reader.skip()
    }
  }
}

/** A list within an element, read at one go. */
export function readList<T>(reader: CborReader, read: (reader: CborReader) => T): T[] | null {
  let left = reader.open(4)
  if (left === NIL) return null
  const list: T[] = []
  while ((left = reader.step(left)) !== DONE) {
    reader.countItem()
    const item = read(reader)
    if (reader.materialize) list.push(item)
  }
  reader.leave()
  return list
}

const readBytes = (reader: CborReader): Uint8Array | null => reader.bytes()
const readAddress = (reader: CborReader): Uint8Array => reader.fixed(8)
export const readIdentifier = (reader: CborReader): Uint8Array => reader.fixed(32)

export function readEvent(reader: CborReader): Event {
  let type = ''
  let payload: Uint8Array | null = null
  let eventIndex = 0
  let transactionId = ZERO_ID
  let transactionIndex = 0
  const fields = new Fields(reader, EVENT)
  for (let field = fields.next(); field >= 0; field = fields.next()) {
    if (field === 0) type = reader.text()
    else if (field === 1) payload = reader.bytes()
    else if (field === 2) eventIndex = reader.uint(UINT32)
    else if (field === 3) transactionId = reader.fixed(32)
    else transactionIndex = reader.uint(UINT32)
  }
  return { type, payload, eventIndex, transactionId, transactionIndex }
}

export function readResult(reader: CborReader): LightTransactionResult {
  let failed = false
  let transactionId = ZERO_ID
  let computationUsed = 0n
  const fields = new Fields(reader, RESULT)
  for (let field = fields.next(); field >= 0; field = fields.next()) {
    if (field === 0) failed = reader.bool()
    else if (field === 1) transactionId = reader.fixed(32)
    else computationUsed = reader.uint64()
  }
  return { failed, transactionId, computationUsed }
}

function readProposalKey(reader: CborReader): ProposalKey {
  let address = ZERO_ADDRESS
  let keyIndex = 0
  let sequenceNumber = 0n
  const fields = new Fields(reader, PROPOSAL_KEY)
  for (let field = fields.next(); field >= 0; field = fields.next()) {
    if (field === 0) address = reader.fixed(8)
    else if (field === 1) keyIndex = reader.uint(UINT32)
    else sequenceNumber = reader.uint64()
  }
  return { address, keyIndex, sequenceNumber }
}

function readSignature(reader: CborReader): TransactionSignature {
  let address = ZERO_ADDRESS
  let keyIndex = 0
  let signature: Uint8Array | null = null
  let signerIndex = 0n
  let extensionData: Uint8Array | null = null
  const fields = new Fields(reader, SIGNATURE)
  for (let field = fields.next(); field >= 0; field = fields.next()) {
    if (field === 0) address = reader.fixed(8)
    else if (field === 1) keyIndex = reader.uint(UINT32)
    else if (field === 2) signature = reader.bytes()
    else if (field === 3) signerIndex = reader.int64()
    else extensionData = reader.bytes()
  }
  return { address, keyIndex, signature, signerIndex, extensionData }
}

const ZERO_PROPOSAL_KEY: ProposalKey = Object.freeze({ address: ZERO_ADDRESS, keyIndex: 0, sequenceNumber: 0n })

/** A transaction; null for null. */
export function readTransaction(reader: CborReader): TransactionBody | null {
  if (reader.takeNull()) return null
  let payer = ZERO_ADDRESS
  let script: Uint8Array | null = null
  let gasLimit = 0n
  let args: (Uint8Array | null)[] | null = null
  let authorizers: Uint8Array[] | null = null
  let proposalKey = ZERO_PROPOSAL_KEY
  let referenceBlockId = ZERO_ID
  let payloadSignatures: TransactionSignature[] | null = null
  let envelopeSignatures: TransactionSignature[] | null = null
  const fields = new Fields(reader, TRANSACTION)
  for (let field = fields.next(); field >= 0; field = fields.next()) {
    if (field === 0) payer = reader.fixed(8)
    else if (field === 1) script = reader.bytes()
    else if (field === 2) gasLimit = reader.uint64()
    else if (field === 3) args = readList(reader, readBytes)
    else if (field === 4) authorizers = readList(reader, readAddress)
    else if (field === 5) proposalKey = readProposalKey(reader)
    else if (field === 6) referenceBlockId = reader.fixed(32)
    else if (field === 7) payloadSignatures = readList(reader, readSignature)
    else envelopeSignatures = readList(reader, readSignature)
  }
  return {
    payer,
    script,
    gasLimit,
    arguments: args,
    authorizers,
    proposalKey,
    referenceBlockId,
    payloadSignatures,
    envelopeSignatures
  }
}

/** A trie payload; null for null. */
export function readPayload(reader: CborReader): Payload | null {
  return reader.takeNull() ? null : reader.inPayload(readPayloadMap)
}

function readPayloadMap(reader: CborReader): Payload {
  let keyParts: KeyPart[] | null = null
  let value: Uint8Array | null = null
  const fields = new Fields(reader, PAYLOAD)
  for (let field = fields.next(); field >= 0; field = fields.next()) {
    if (field === 0) keyParts = readKey(reader)
    else value = reader.bytes()
  }
  return { keyParts, value }
}

/** flow-go keeps a payload's key with a 16-bit count of parts: more are cut to the count modulo 65,536, and none is null. */
function readKey(reader: CborReader): KeyPart[] | null {
  let parts: KeyPart[] | null = null
  const fields = new Fields(reader, KEY)
  while (fields.next() >= 0) parts = readList(reader, readKeyPart)
  if (parts === null || parts.length === 0) return null
  return parts.length > UINT16 ? parts.slice(0, parts.length & UINT16) : parts
}

function readKeyPart(reader: CborReader): KeyPart {
  let type = 0
  let value: Uint8Array | null = null
  const fields = new Fields(reader, KEY_PART)
  for (let field = fields.next(); field >= 0; field = fields.next()) {
    if (field === 0) type = reader.uint(UINT16)
    else value = reader.bytes()
  }
  return { type, value: value ?? EMPTY_BYTES }
}
