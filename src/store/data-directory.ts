import { mkdir, open, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../util/index.ts'
import { Database, type DatabaseOptions } from './database.ts'
import type { Migration } from './migration.ts'
import { StoreError, toStoreError } from './errors.ts'

/** Version of what lies in a data directory: raised when a release reads or writes something differently. */
export const SCHEMA_VERSION = 3

const VERSION_FILE = 'VERSION'
const OWNER_FILE = 'LOCK'

/** Who holds, or held, the directory: what `DIR/LOCK` says. */
export interface DirectoryOwner {
  readonly pid: number
}

/**
 * A node's directory and the one lock on it.
 *
 * ```
 * DIR/VERSION   schema, a decimal number
 * DIR/LOCK      the owner's process id, while the directory is in use
 * DIR/keys      network key, mode 0700
 * DIR/db        the Level database: every index, and progress
 * DIR/blobs     segment files
 * ```
 *
 * The lock is the kernel's record lock that Level takes on `DIR/db/LOCK`: one winner however many start at once, gone with
 * the process however it ends, so there is no stale lock to judge and no pid that could have been given to another process.
 * `DIR/LOCK` is written by the winner only, after it has won, and serves the error message of the others and the notice of
 * an unclean stop. Nothing else in the process may open `DIR/db/LOCK`: POSIX drops a process's record locks with the first
 * descriptor of the file that it closes.
 */
export class DataDirectory {
  readonly path: string
  readonly keysPath: string
  readonly blobsPath: string
  readonly database: Database
  /** The owner that left without closing, if the last one did. */
  readonly uncleanOwner: DirectoryOwner | undefined
  #closing: Promise<void> | undefined

  private constructor(path: string, database: Database, uncleanOwner: DirectoryOwner | undefined) {
    this.path = path
    this.keysPath = join(path, 'keys')
    this.blobsPath = join(path, 'blobs')
    this.database = database
    this.uncleanOwner = uncleanOwner
  }

  /**
   * Creates what is missing, takes the lock, and brings an older schema up to date.
   * Throws StoreError `locked` (details: `path`, `pid`), `newer-version` or `old-version` (details: `found`, `known`), `corrupt`, `disk-full`,
   * `not-writable` or `io`.
   */
  static async open(
    path: string,
    options: { readonly database?: Partial<DatabaseOptions>; readonly migrations?: readonly Migration[] } = {}
  ): Promise<DataDirectory> {
    // Looked at before anything is touched: a newer release's directory stays as it is.
    await checkVersion(path)
    try {
      await mkdir(join(path, 'keys'), { recursive: true, mode: 0o700 })
      await mkdir(join(path, 'blobs'), { recursive: true })
    } catch (error) {
      throw toStoreError(error, `cannot create the data directory ${path}`)
    }
    const database = await openLocked(path, options.database)
    try {
      // Again under the lock: a newer release may have been first since.
      const found = await checkVersion(path)
      if (found === undefined) await replaceFile(path, VERSION_FILE, `${SCHEMA_VERSION}\n`)
      else await migrate({ path, found }, database, options.migrations ?? [])
      const uncleanOwner = await readOwner(path)
      await replaceFile(path, OWNER_FILE, `${process.pid}\n`)
      return new DataDirectory(path, database, uncleanOwner)
    } catch (error) {
      await database.close()
      throw toStoreError(error, `cannot take the data directory ${path}`)
    }
  }

  /** Closes the database and gives the lock back. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      await unlink(join(this.path, OWNER_FILE))
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw toStoreError(error, `cannot unlock the data directory ${this.path}`)
    } finally {
      await this.database.close()
    }
  }
}

/** Where the index lies in a data directory. */
export function databaseDirectory(path: string): string {
  return join(path, 'db')
}

async function openLocked(path: string, options: Partial<DatabaseOptions> | undefined): Promise<Database> {
  try {
    return await Database.open(databaseDirectory(path), options)
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'locked') throw error
    const pid = (await readOwner(path))?.pid
    throw new StoreError(
      'locked',
      `the data directory ${path} is in use by another process${pid === undefined ? '' : ` (pid ${pid})`}: stop it first, or choose another --data-dir`,
      { cause: error, details: { path, pid } }
    )
  }
}

/** The schema on the disk; `undefined` when there is none yet. */
async function checkVersion(path: string): Promise<number | undefined> {
  const text = await readSmall(join(path, VERSION_FILE))
  if (text === undefined) return undefined
  const found = /^\d{1,9}\s*$/.test(text) ? Number(text) : 0
  if (found === 0) throw new StoreError('corrupt', `${join(path, VERSION_FILE)} does not hold a version number`)
  if (found > SCHEMA_VERSION) {
    throw new StoreError(
      'newer-version',
      `the data directory ${path} has schema ${found}, this release knows ${SCHEMA_VERSION}: start the newer release, or choose another --data-dir`,
      { details: { found, known: SCHEMA_VERSION } }
    )
  }
  return found
}

/** One migration after the other; each is stamped when it is done, so that a kill repeats one at most. */
async function migrate(
  directory: { readonly path: string; readonly found: number },
  database: Database,
  migrations: readonly Migration[]
): Promise<void> {
  for (let version = directory.found + 1; version <= SCHEMA_VERSION; version += 1) {
    const migration = migrations.find(({ to }) => to === version)
    if (migration === undefined) {
      throw new StoreError(
        'old-version',
        `the data directory ${directory.path} has schema ${directory.found}, and nothing here leads from it to ${SCHEMA_VERSION}: start the release that wrote it, or choose another --data-dir`,
        { details: { found: directory.found, known: SCHEMA_VERSION } }
      )
    }
    await migration.run(database)
    await replaceFile(directory.path, VERSION_FILE, `${version}\n`)
  }
}

async function readOwner(path: string): Promise<DirectoryOwner | undefined> {
  const text = await readSmall(join(path, OWNER_FILE))
  if (text === undefined) return undefined
  return { pid: /^\d{1,10}\s*$/.test(text) ? Number(text) : 0 }
}

/** The first bytes of a small file; `undefined` when it is not there. */
async function readSmall(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'latin1')).slice(0, 64)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw toStoreError(error, `cannot read ${path}`)
  }
}

/** Written beside and moved into place, so that a crash leaves the old file or the new one. */
export async function replaceFile(directory: string, name: string, text: string): Promise<void> {
  const temporary = join(directory, `${name}.new`)
  const handle = await open(temporary, 'w', 0o644)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, join(directory, name))
  const folder = await open(directory, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
