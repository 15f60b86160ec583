// Small trees outside the repository, with the repository's own configuration, to see what the checks make of them.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Check } from './tool.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
const CONFIGURATION = [
  '.dependency-cruiser.cjs',
  '.gitignore',
  '.oxlintrc.json',
  'LICENSE-APACHE',
  'LICENSE-MIT',
  'biome.json',
  'knip.json',
  'package.json',
  'package-lock.json',
  'tsconfig.json'
]

/** Names and texts; a file of the configuration may be given anew. */
export type Files = Readonly<Record<string, string>>

/** What the check finds in a tree of these files. The tree is gone afterwards. */
export async function problemsIn(check: Check, files: Files): Promise<readonly string[]> {
  const root = mkdtempSync(join(tmpdir(), 'house-'))
  try {
    for (const name of CONFIGURATION) copyFileSync(join(REPOSITORY, name), join(root, name))
    symlinkSync(join(REPOSITORY, 'node_modules'), join(root, 'node_modules'))
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true })
      writeFileSync(join(root, name), text)
    }
    return (await check(root)).problems
  } finally {
    rmSync(root, { recursive: true })
  }
}

/** The repository's package.json with some fields put over it. */
export function manifestWith(fields: object): string {
  const manifest = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as object
  return `${JSON.stringify({ ...manifest, ...fields }, null, 2)}\n`
}
