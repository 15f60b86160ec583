import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../util/index.ts'
import { NodeError } from './errors.ts'

/** A file itself; of a folder its `.car` files in order of their names. Throws NodeError `config` for a path that is not there. */
export async function* carFiles(path: string): AsyncGenerator<string> {
  const facts = await stat(path).catch((error: unknown) => {
    throw new NodeError('config', `${path}: ${messageOf(error)}`, { cause: error })
  })
  if (!facts.isDirectory()) {
    yield path
    return
  }
  const names = (await readdir(path)).filter((name) => name.endsWith('.car')).sort()
  for (const name of names) yield join(path, name)
}
