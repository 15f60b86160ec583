import { AppError } from '../util/index.ts'

export type P2pErrorCode =
  /** Bytes that are no P-256 key. */
  | 'key-invalid'
  /** The key file is not there. */
  | 'key-file-missing'
  /** A key file is there already and must not be overwritten. */
  | 'key-file-exists'
  /** Group or others may read the key file. */
  | 'key-file-permissions'
  /** The key file does not hold 32 bytes of hex that are a P-256 key, or cannot be read. */
  | 'key-file-invalid'
  /** libp2p was loaded before `identity-keys/register.ts`. */
  | 'identity-keys-not-registered'
  /** The identity table cannot be read as JSON, or exceeds its bounds. */
  | 'identity-table-invalid'
  /** One entry is wrong; details: `index`, `field`. */
  | 'identity-entry-invalid'
  /** Another process listens on the address; details: `address`. */
  | 'address-in-use'
  /** The address cannot be listened on; details: `address`. */
  | 'listen-failed'
  /** The listener closed while the host ran. */
  | 'listener-closed'
  /** A handler was to be registered after the host had started. */
  | 'host-started'
  /** An option is out of its bounds; details: `option`. */
  | 'option-invalid'
  /** A peer's announcement frame breaks the format or a bound. */
  | 'announcement-malformed'
  /** Routing dht was asked for, and its optional packages are not installed. */
  | 'dht-not-installed'

/** Errors of the room p2p. */
export class P2pError extends AppError<P2pErrorCode> {}
