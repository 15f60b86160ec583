import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The version in package.json. */
export function version(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version
}

/** The commit this runs from: written by the build, or asked of git in a checkout; `unknown` otherwise. */
export function revision(): string {
  const root = packageRoot()
  const stamp = join(root, 'dist', 'revision')
  if (!existsSync(join(root, '.git'))) return existsSync(stamp) ? readFileSync(stamp, 'utf8').trim() : 'unknown'
  try {
    return execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore']
    }).trim()
  } catch {
    return 'unknown'
  }
}

/** The folder of package.json, from the sources as well as from a bundle in `dist/`. */
function packageRoot(): string {
  let root = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(root, 'package.json')) && dirname(root) !== root) root = dirname(root)
  return root
}
