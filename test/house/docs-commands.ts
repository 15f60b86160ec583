// Commands that the documents show, held against the command line itself.
import { Command } from 'commander'
import { addCommands } from '#cmd/commands.ts'

/** One call of `sealsync` in a code block, cut into words, with where it stands. */
export interface ShownCall {
  readonly page: string
  readonly line: number
  readonly words: readonly string[]
}

const FENCE = /^```(\w*)\s*$/

/** Code lines of a page, continuation lines joined, with the number of their first line. */
export function codeLines(text: string): { readonly line: number; readonly text: string; readonly language: string }[] {
  const found: { line: number; text: string; language: string }[] = []
  let language: string | undefined
  let open: { line: number; text: string; language: string } | undefined
  for (const [at, line] of text.split('\n').entries()) {
    const fence = FENCE.exec(line)
    if (fence !== null) {
      language = language === undefined ? (fence[1] ?? '') : undefined
      open = undefined
    } else if (language !== undefined) {
      if (open === undefined) found.push((open = { line: at + 1, text: '', language }))
      open.text += line.replace(/\\$/, '')
      if (!line.endsWith('\\')) open = undefined
    }
  }
  return found
}

/** Shell comments, redirections, pipes and the background sign end a call. */
const SHELL_END = /\s(?:>|2>|\||&|#|;|&&)(?:\s|$|&).*$/

/** Calls in code blocks, and in code within the prose where it begins with the program's name. */
export function shownCalls(page: string, text: string): ShownCall[] {
  const inCode = codeLines(text)
    .filter(({ language }) => language === '' || language === 'sh')
    .map(({ line, text: of }) => ({ line, text: of }))
  const inProse = text
    .split('\n')
    .flatMap((of, at) => [...of.matchAll(/`([^`]+)`/g)].map(([, span = '']) => ({ line: at + 1, text: span })))
  return [...inCode, ...inProse].flatMap(({ line, text: of }) => {
    const call = /(?:^|=|\s)(?:sealsync|npm run -s sealsync --|\/\S*\/bin\/sealsync)\s+(\S.*)$/.exec(of)?.[1]
    const starts = /^(?:ExecStart=|#?\s*)(?:sealsync|npm run|\/\S*\/bin\/sealsync)\s/.test(of)
    if (call === undefined || !starts) return []
    const words = call.replace(SHELL_END, '').trim().split(/\s+/)
    return [{ page, line, words }]
  })
}

/** The whole command line, as its help shows it. */
export async function commandTree(): Promise<Command> {
  const program = new Command('sealsync')
  const nowhere = { write: () => true }
  await addCommands(
    program,
    { stdout: nowhere, stderr: nowhere, env: {}, signal: new AbortController().signal },
    { name: undefined, done: () => {} }
  )
  return program
}

/** What is wrong with a call, if anything: its command, or a flag that the command does not have. */
export function faultOf(program: Command, { page, line, words }: ShownCall): string | undefined {
  let command = program
  let at = 0
  for (; at < words.length; at += 1) {
    const next = command.commands.find((of) => of.name() === words[at] || of.aliases().includes(words[at] ?? ''))
    if (next === undefined) break
    command = next
  }
  const where = `${page}:${line}`
  const [first = ''] = words
  if (command === program && !['help', 'COMMAND', 'ARGS', '…'].includes(first) && !first.startsWith('-'))
    return `${where}: there is no command 'sealsync ${first}'`
  if (command === program) return undefined
  const unknown = words
    .slice(at)
    .filter((word) => /^--\w/.test(word))
    .map((word) => word.split('=')[0] ?? '')
    .find((flag) => flag !== '--help' && !command.options.some(({ long }) => long === flag))
  return unknown === undefined ? undefined : `${where}: 'sealsync ${command.name()}' has no flag ${unknown}`
}

/** `npm run NAME` of the text, and `npm NAME` for the scripts that npm runs by themselves. */
export function npmScripts(text: string): string[] {
  return [
    ...[...text.matchAll(/\bnpm run (?:-s )?([a-z][a-z:-]*)/g)].map(([, name = '']) => name),
    ...[...text.matchAll(/\bnpm (start|test)\b/g)].map(([, name = '']) => name)
  ]
}
