import { ExchangeError } from '../errors.ts'
import { MAX_CID_BYTES, parseCid } from './cid.ts'
import type { Presence, WantEntry } from './types.ts'

/** Longest wantlist entry or presence that is looked at, bytes: a CID of 168 and a dozen small fields. */
export const MAX_SMALL_BYTES = 256

const malformed = (what: string): ExchangeError => new ExchangeError('malformed', `bitswap message: ${what}`)

interface Field {
  number: number
  /** The number of a varint field, 0 for others. */
  value: number
  /** The bytes of a length-delimited field. */
  bytes: Uint8Array | undefined
  next: number
}

/** Reads a varint of up to ten bytes (a negative int32 takes ten). Exact below 2^53. */
function varint(bytes: Uint8Array, at: number, field: Field): number {
  let value = 0
  let factor = 1
  for (let offset = at; offset < bytes.length && offset < at + 10; offset += 1) {
    const byte = bytes[offset] ?? 0
    value += (byte & 127) * factor
    factor *= 128
    if (byte < 128) {
      field.next = offset + 1
      return value
    }
  }
  throw malformed('varint without end')
}

function readField(bytes: Uint8Array, field: Field): void {
  const tag = varint(bytes, field.next, field)
  field.number = Math.floor(tag / 8)
  field.value = 0
  field.bytes = undefined
  const wire = tag % 8
  if (field.number === 0) throw malformed('field number 0')
  if (wire === 0) field.value = varint(bytes, field.next, field)
  else if (wire === 2) {
    const length = varint(bytes, field.next, field)
    if (length > bytes.length - field.next) throw malformed('a field longer than its message')
    field.bytes = bytes.subarray(field.next, field.next + length)
    field.next += length
  } else if (wire === 1 || wire === 5) {
    field.next += wire === 1 ? 8 : 4
    if (field.next > bytes.length) throw malformed('a field longer than its message')
  } else throw malformed(`wire type ${wire}`)
}

const newField = (): Field => ({ number: 0, value: 0, bytes: undefined, next: 0 })

/** Reads a wantlist entry; `undefined` when its CID is of a kind the exchange does not speak. Throws `malformed`. */
export function parseEntry(bytes: Uint8Array): WantEntry | undefined {
  const field = newField()
  let cid: Uint8Array | undefined
  let [cancel, have, sendDontHave, ackQueued] = [false, false, false, false]
  while (field.next < bytes.length) {
    readField(bytes, field)
    if (field.number === 1) cid = field.bytes
    else if (field.number === 3) cancel = field.value !== 0
    else if (field.number === 4) have = field.value === 1
    else if (field.number === 5) sendDontHave = field.value !== 0
    else if (field.number === 15) ackQueued = field.value !== 0
  }
  const parsed = cid === undefined || cid.length > MAX_CID_BYTES ? undefined : parseCid(cid)
  if (parsed === undefined) return undefined
  return { key: parsed.key, form: parsed.form, wantType: have ? 'have' : 'block', cancel, sendDontHave, ackQueued }
}

/** Reads a block presence; `undefined` when its CID is of a kind the exchange does not speak. Throws `malformed`. */
export function parsePresence(bytes: Uint8Array): Presence | undefined {
  const field = newField()
  let cid: Uint8Array | undefined
  let have = true
  while (field.next < bytes.length) {
    readField(bytes, field)
    if (field.number === 1) cid = field.bytes
    else if (field.number === 2) have = field.value === 0
  }
  const parsed = cid === undefined || cid.length > MAX_CID_BYTES ? undefined : parseCid(cid)
  return parsed === undefined ? undefined : { key: parsed.key, have }
}
