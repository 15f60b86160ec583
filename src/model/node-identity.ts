import type { NodeId, PeerIdText } from './identifiers.ts'
import type { Role } from './role.ts'

/** One entry of the identity table, checked. */
export interface NodeIdentity {
  readonly nodeId: NodeId
  readonly role: Role
  readonly host: string
  readonly port: number
  /** `X ‖ Y` of the P-256 point, 64 bytes. */
  readonly networkPublicKey: Uint8Array
  readonly peerId: PeerIdText
  /** Where an access node serves observers, when it does. */
  readonly publicAddress?: { readonly host: string; readonly port: number }
  readonly weight: number
  readonly ejected: boolean
}
