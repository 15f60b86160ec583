import type { Database } from './database.ts'
import type { KeyValueSpace } from './key-value.ts'

/**
 * One change of what lies in a data directory. It is run under the directory's lock, may be killed at any point and is then run again:
 * it has to go on from wherever it was.
 */
export interface Migration {
  /** The schema that it leads to, from the one before. */
  readonly to: number
  run(database: Database): Promise<void>
}

const CURSOR_KEY = Buffer.from('cursor', 'latin1')

/** How far a migration has come, with what it has gathered so far; survives a kill. */
export interface MigrationState {
  /** The key to go on behind; empty at the beginning. */
  readonly after: Uint8Array
  /** Sums, as the migration likes. */
  readonly sums: Readonly<Record<string, readonly number[]>>
}

export async function loadState(space: KeyValueSpace): Promise<MigrationState> {
  const value = await space.get(CURSOR_KEY)
  if (value === undefined) return { after: new Uint8Array(0), sums: {} }
  const { after, sums } = JSON.parse(Buffer.from(value).toString('utf8')) as {
    readonly after: string
    readonly sums: MigrationState['sums']
  }
  return { after: new Uint8Array(Buffer.from(after, 'hex')), sums }
}

export async function saveState(space: KeyValueSpace, { after, sums }: MigrationState): Promise<void> {
  const text = JSON.stringify({ after: Buffer.from(after).toString('hex'), sums })
  await space.batch([{ type: 'put', key: CURSOR_KEY, value: new Uint8Array(Buffer.from(text)) }], { sync: true })
}

export async function clearState(space: KeyValueSpace): Promise<void> {
  await space.batch([{ type: 'del', key: CURSOR_KEY }], { sync: true })
}
