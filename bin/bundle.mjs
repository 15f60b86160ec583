// Whether the bundle in dist/ is what the sources say. It starts in half the time and takes some 15 MiB less than several hundred
// modules, but in a checkout it counts only as long as no source is newer.
import { readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'

const SOURCES = ['src', 'cmd', 'package-lock.json']

/**
 * `notice`: why the sources are run instead, and what to do about it; one line. An installed package has no sources, so its bundle is
 * always current.
 */
export function bundleOf(root) {
  const bundle = statSync(join(root, 'dist', 'main.js'), { throwIfNoEntry: false })
  const newest = SOURCES.map((name) => newestIn(join(root, name))).reduce((a, b) => (b.mtimeMs > a.mtimeMs ? b : a))
  if (bundle !== undefined && newest.mtimeMs <= bundle.mtimeMs) return { current: true }
  const why =
    bundle === undefined ? 'there is no bundle in dist/' : `${relative(root, newest.path)} is newer than dist/`
  return { current: false, notice: `sealsync: ${why}: running the sources; 'npm run build' makes the bundle` }
}

function newestIn(path) {
  const facts = statSync(path, { throwIfNoEntry: false })
  if (facts === undefined) return { path, mtimeMs: 0 }
  if (!facts.isDirectory()) return { path, mtimeMs: facts.mtimeMs }
  let newest = { path, mtimeMs: 0 }
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    const { mtimeMs } = statSync(file)
    if (mtimeMs > newest.mtimeMs) newest = { path: file, mtimeMs }
  }
  return newest
}
