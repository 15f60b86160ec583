import { codeOf, messageOf } from '#src/util/index.ts'

/** What a process says by its exit code (contract of the command line). */
export const EXIT = {
  ok: 0,
  /** It ran, and what it was to show does not hold. */
  failed: 1,
  usage: 2,
  config: 3,
  locked: 4,
  database: 5,
  addressInUse: 6,
  diskFull: 7,
  wrongKey: 8,
  stopTimeout: 70
} as const

/** Error codes of the rooms that have an exit code of their own; everything else is 1. */
const EXIT_OF_CODE: Readonly<Record<string, number>> = {
  usage: EXIT.usage,
  config: EXIT.config,
  exists: EXIT.config,
  'wound-down': EXIT.config,
  'identity-table-invalid': EXIT.config,
  'identity-entry-invalid': EXIT.config,
  'not-writable': EXIT.config,
  'key-file-exists': EXIT.config,
  'address-unavailable': EXIT.config,
  'listen-failed': EXIT.config,
  'option-invalid': EXIT.config,
  'bad-option': EXIT.config,
  'dht-not-installed': EXIT.config,
  'helia-not-installed': EXIT.config,
  unreadable: EXIT.config,
  'malformed-line': EXIT.config,
  'line-too-long': EXIT.config,
  gap: EXIT.config,
  locked: EXIT.locked,
  'newer-version': EXIT.database,
  'old-version': EXIT.database,
  corrupt: EXIT.database,
  'address-in-use': EXIT.addressInUse,
  'socket-in-use': EXIT.addressInUse,
  'disk-full': EXIT.diskFull,
  ENOSPC: EXIT.diskFull,
  'wrong-key': EXIT.wrongKey,
  'key-invalid': EXIT.wrongKey,
  'key-file-missing': EXIT.wrongKey,
  'key-file-invalid': EXIT.wrongKey,
  'key-file-permissions': EXIT.wrongKey,
  'stop-timeout': EXIT.stopTimeout
}

/** The exit code for anything thrown: the first code along its causes that has one. */
export function exitCodeOf(error: unknown): number {
  for (let at: unknown = error, depth = 0; at !== undefined && depth < 8; depth += 1) {
    const exit = EXIT_OF_CODE[codeOf(at) ?? '']
    if (exit !== undefined) return exit
    at = (at as { cause?: unknown }).cause
  }
  return EXIT.failed
}

/** How to mend what only the command line knows the flags of. */
const REMEDY_OF_CODE: Readonly<Record<string, string>> = {
  'key-file-missing': "make a node with 'sealsync init', or name the right --data-dir (or --network-key-file)",
  'key-file-invalid': 'a key file holds 32 bytes as 64 hex digits',
  'identity-table-invalid': 'mend the file, or name another with --identities',
  'identity-entry-invalid': 'mend the entry, or name another file with --identities',
  'not-writable': 'make it writable for this user, or choose another --data-dir'
}

/** One line: what went wrong and, where it is known, how to mend it. */
export function errorLine(error: unknown): string {
  const remedy = REMEDY_OF_CODE[codeOf(error) ?? '']
  return `sealsync: ${messageOf(error)}${remedy === undefined ? '' : `: ${remedy}`}`
}
