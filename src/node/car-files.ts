import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, messageOf } from '../util/index.ts'
import { NodeError } from './errors.ts'

/** Folders below the one that is given: exports lie by epoch, day and height, and no folder needs more. */
const MAX_FOLDER_DEPTH = 16

/**
 * A file itself; of a folder its `.car` files and those of the folders in it, 16 deep, in order of their names. What a folder has by a
 * symbolic link is left out: a link may lead back up, or to data that nobody named. Throws NodeError `config` for a path that is not there
 * and for a deeper folder.
 */
export async function* carFiles(path: string): AsyncGenerator<string> {
  const facts = await stat(path).catch((error: unknown) => {
    const why = codeOf(error) === 'ENOENT' ? 'no such file or folder' : messageOf(error)
    throw new NodeError('config', `${path}: ${why}`, { cause: error })
  })
  if (facts.isDirectory()) yield* folderFiles(path, 0)
  else yield path
}

async function* folderFiles(folder: string, depth: number): AsyncGenerator<string> {
  if (depth > MAX_FOLDER_DEPTH) throw new NodeError('config', `${folder}: more than ${MAX_FOLDER_DEPTH} folders deep`)
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* folderFiles(path, depth + 1)
    else if (entry.isFile() && entry.name.endsWith('.car')) yield path
  }
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  return entries.sort((one, other) => (one.name < other.name ? -1 : 1))
}
