import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * A file of the package, by its path from the package's folder; `undefined` when it is not shipped. Works from the sources as well as
 * from a bundle, which lie at different depths.
 */
export function packageFile(path: string): string | undefined {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) {
      const found = join(folder, path)
      return existsSync(found) ? found : undefined
    }
    if (dirname(folder) === folder) return undefined
  }
}
