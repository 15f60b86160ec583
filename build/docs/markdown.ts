/** One cell's text as Markdown takes it: one line, no bare pipe. */
const cell = (text: string): string => text.replace(/\s*\n\s*/g, ' ').replace(/\|/g, '\\|')

/** A table; every row has as many cells as the head. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n')
}

export const code = (text: string): string => `\`${text}\``

const BLOCK = /<!-- generated: ([a-z-]+) -->\n[\s\S]*?<!-- end of \1 -->/g

/** Names of the generated blocks of a page, in order. */
export function blockNames(page: string): string[] {
  return [...page.matchAll(BLOCK)].map(([, name = '']) => name)
}

/** The page with each generated block written anew; what stands around them stays. Throws for a block that nobody makes. */
export function fillBlocks(page: string, blocks: ReadonlyMap<string, string>): string {
  return page.replace(BLOCK, (_, name: string) => {
    const text = blocks.get(name)
    if (text === undefined) throw new Error(`nothing generates the block '${name}'`)
    return `<!-- generated: ${name} -->\n\n${text}\n\n<!-- end of ${name} -->`
  })
}

const VALUE = /<!-- default: (\S+) -->[^<]*<!-- \/default -->/g

/** Writes the defaults that the prose names anew; `shown` gives the value of a name, or throws. */
export function fillDefaults(page: string, shown: (name: string) => string): string {
  return page.replace(VALUE, (_, name: string) => `<!-- default: ${name} -->${shown(name)}<!-- /default -->`)
}
