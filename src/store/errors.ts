import { AppError, codeOf, messageOf } from '../util/index.ts'

/**
 * - `locked`: another process works in the data directory.
 * - `newer-version`: the data directory was written by a newer release.
 * - `old-version`: the data directory was written by a release so old that nothing leads from it to this one.
 * - `corrupt`: a database or a stamp cannot be read.
 * - `disk-full`: the disk or the quota is full; nothing acknowledged is lost.
 * - `not-writable`: no permission, or a read-only mount.
 * - `io`: the disk failed.
 * - `too-large`: a blob longer than `MAX_BLOCK_BYTES`.
 * - `overloaded`: more is waiting to be written than `maxPendingBytes` allows.
 * - `closed`: used after `close`.
 */
export type StoreErrorCode =
  | 'locked'
  | 'newer-version'
  | 'old-version'
  | 'corrupt'
  | 'disk-full'
  | 'not-writable'
  | 'io'
  | 'too-large'
  | 'overloaded'
  | 'closed'

/** What the store's public calls reject with; whatever else comes out is a bug. */
export class StoreError extends AppError<StoreErrorCode> {}

const CODES: Readonly<Record<string, StoreErrorCode>> = {
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
  EROFS: 'not-writable',
  EACCES: 'not-writable',
  EPERM: 'not-writable',
  LEVEL_LOCKED: 'locked',
  LEVEL_CORRUPTION: 'corrupt',
  LEVEL_DATABASE_NOT_OPEN: 'closed',
  LEVEL_ITERATOR_NOT_OPEN: 'closed'
}

/** Names a system or Level error by one of the room's codes; `doing` says what failed, with the path. */
export function toStoreError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error
  // Level wraps the reason of a failed open, and reports disk errors only as text.
  const inner = (error as { cause?: unknown } | undefined)?.cause ?? error
  const message = messageOf(inner)
  const code =
    CODES[codeOf(inner) ?? ''] ??
    (/no space left|quota exceeded/i.test(message) ? 'disk-full' : undefined) ??
    (/read-only file system|permission denied/i.test(message) ? 'not-writable' : 'io')
  return new StoreError(code, `${doing}: ${message}`, { cause: error })
}
