import { AppError } from '../util/index.ts'

/** What a request can be refused with, and the HTTP status that says so. The code stands in the answer's `error.code`. */
export const REQUEST_STATUS = {
  /** The request target or a query parameter that has no code of its own is malformed. */
  'bad-request': 400,
  /** Neither 1 to 16 decimal digits nor below 2^53. */
  'bad-height': 400,
  /** Not 64 hex digits. */
  'bad-block-id': 400,
  /** Not a CIDv0 (`Qm…`, 46 characters). */
  'bad-cid': 400,
  /** `format` is neither `car` nor `json`, or is given twice. */
  'bad-format': 400,
  /** The body is not JSON, or not the JSON that the route takes. */
  'bad-json': 400,
  /** A body came with a request that takes none. */
  'unexpected-body': 400,
  /** The admin socket is for programs on this machine, not for pages in a browser. */
  'origin-refused': 403,
  /** No such path. */
  'not-found': 404,
  /** The height is outside of what this node holds or will hold; `details`: `lowest`, `highest`. */
  'unknown-height': 404,
  /** The height was held and is pruned; `details`: `lowest`, `highest`. */
  pruned: 404,
  /** No block of that id is held; `details`: `lowest`, `highest`. */
  'unknown-block': 404,
  /** No blob of that CID is held. */
  'unknown-blob': 404,
  /** The path is right, the method is not; the `Allow` header lists those that are. */
  'method-not-allowed': 405,
  /** The body stopped arriving. */
  'body-timeout': 408,
  /** The body exceeds the route's bound. */
  'body-too-large': 413,
  /**
   * The answer needs more memory than one request may have, and will each time: `details`: `limit` (its key), `limitBytes`,
   * `neededBytes` (at least).
   */
  'exceeds-limit': 413,
  /** The request target exceeds its bound. */
  'uri-too-long': 414,
  /** The `Host` header names none of the hosts that the listener answers to. */
  'host-not-allowed': 421,
  /** As many transfers as the listener allows are running. */
  'too-many-streams': 429,
  /** As many scrapes as the listener allows are running. */
  'too-many-scrapes': 429,
  /** A fault of this program; the log has the cause. */
  internal: 500,
  /** The block is known and its execution data is not here yet, or cannot be read at the moment. */
  'not-available': 503,
  /**
   * No memory is left for the transfer at the moment (`details`: `limit`, `limitBytes`, `neededBytes`), or too many requests are
   * being answered.
   */
  overloaded: 503,
  /** The node is stopping. */
  stopping: 503
} as const

export type RequestErrorCode = keyof typeof REQUEST_STATUS

export type ApiErrorCode =
  | RequestErrorCode
  /** Another process listens on the address. `details.address`. */
  | 'address-in-use'
  /** The address does not belong to this machine, or may not be bound. `details.address`. */
  | 'address-unavailable'
  /** A live process listens on the admin socket of this data directory. `details.path`. */
  | 'socket-in-use'
  /** Something that is not a socket lies where the admin socket belongs. `details.path`. */
  | 'socket-path-taken'
  /** Neither the data directory nor the directory for temporary files gives a path that fits a socket address. */
  | 'socket-path-too-long'
  /** Any other failure to listen; see `cause`. */
  | 'listen-failed'
  /** The reader took nothing for the length of the write deadline. */
  | 'slow-reader'
  /** The client closed the connection before it had the whole answer. */
  | 'client-gone'
  /** AdminClient: no process listens on the admin socket of this data directory. */
  | 'not-running'
  /** AdminClient: the node refused the request. `details`: `status`, `code`. */
  | 'refused'
  /** AdminClient: the answer is not what the admin protocol says. */
  | 'bad-answer'
  /** AdminClient: the connection ended before the whole answer was here. */
  | 'connection-lost'
  /** AdminClient: nothing arrived for the length of the client's time limit. */
  | 'timeout'

/** Errors of the listeners and of the admin client. */
export class ApiError extends AppError<ApiErrorCode> {}

/** The HTTP status of an error that a request is refused with; `undefined` for anything else. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof ApiError ? (REQUEST_STATUS as Readonly<Record<string, number>>)[error.code] : undefined
}
