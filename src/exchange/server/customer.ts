import type { DigestKey } from '../../model/index.ts'
import type { CidForm } from '../message/types.ts'
import type { PeerLedger } from './ledger.ts'
import type { BlockWriter, DataLink } from './writer.ts'

export interface ServerLink extends DataLink {
  queuePresence(key: DigestKey, form: CidForm, have: boolean): void
}

/** A peer as the serving side knows it. */
export interface Customer {
  readonly ledger: PeerLedger
  readonly writer: BlockWriter
  readonly link: ServerLink
}

/** For how many of these a load or write is under way; drops the others, so that hundreds of idle peers are not looked at. */
export function writesOf(serving: Set<Customer>): number {
  for (const customer of serving) {
    if (!customer.writer.writing && !customer.ledger.busy) serving.delete(customer)
  }
  return serving.size
}
