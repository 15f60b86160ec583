// Links of the documents to files and headings of the repository.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

/** Relative links of a page that lead nowhere: no such file, or no such heading in it. */
export function brokenLinks(root: string, page: string): string[] {
  const text = withoutCode(readFileSync(join(root, page), 'utf8'))
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/i.test(target))
    .flatMap((target) => {
      const [path = '', heading] = target.split('#')
      const file = path === '' ? join(root, page) : resolve(root, dirname(page), path)
      if (relative(root, file).startsWith('..')) return [`${page}: ${target} leads out of the repository`]
      if (!existsSync(file)) return [`${page}: ${target} is not there`]
      if (heading === undefined || headingsOf(readFileSync(file, 'utf8')).has(heading)) return []
      return [`${page}: ${target} has no such heading`]
    })
}

/** As GitHub makes them: lower case, spaces to hyphens, other signs dropped. */
function headingsOf(text: string): Set<string> {
  return new Set(
    [...withoutCode(text).matchAll(/^#{1,6} (.+)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-')
    )
  )
}

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '')
