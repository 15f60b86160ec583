import type { NodeIdentity, PeerIdText } from '../model/index.ts'
import type { TableChange } from './identity-table/table.ts'

/** Whom a host lets in and dials: the identity table, or whoever comes to a public host. */
export interface HostTable {
  /** Whom it is to be connected to. */
  readonly all: readonly NodeIdentity[]
  readonly size: number
  byPeerId(peer: PeerIdText): NodeIdentity | undefined
  isAdmitted(peer: PeerIdText): boolean
  onChange(listener: (change: TableChange) => void): () => void
}
