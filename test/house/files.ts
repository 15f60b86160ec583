import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { linesOf, run } from './tool.ts'

const NOT_OURS = new Set(['node_modules', 'dist', '.cache', '.git'])

/**
 * Files that are in the repository or about to be (not ignored), relative to `root`. Without git, all but what the build and
 * npm put there.
 */
export async function repositoryFiles(root: string): Promise<string[]> {
  const listed = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--full-name'], {
    cwd: root
  })
  const top = await run('git', ['rev-parse', '--show-prefix'], { cwd: root })
  const names = listed.code === 0 && top.stdout.trim() === '' ? linesOf(listed.stdout) : walk(root, '')
  return names.filter((name) => statSync(join(root, name), { throwIfNoEntry: false })?.isFile() === true).sort()
}

function walk(root: string, at: string): string[] {
  return readdirSync(join(root, at), { withFileTypes: true }).flatMap((entry) => {
    const name = at === '' ? entry.name : `${at}/${entry.name}`
    if (NOT_OURS.has(entry.name)) return []
    return entry.isDirectory() ? walk(root, name) : [name]
  })
}

/** The file's text, or `undefined` where it is not text. */
export function textOf(root: string, name: string): string | undefined {
  const bytes = readFileSync(join(root, name))
  return bytes.includes(0) ? undefined : bytes.toString('utf8')
}
