import { exitCodeOf, EXIT } from '#cmd/exit-codes.ts'
import { REQUEST_STATUS } from '#src/api/errors.ts'
import { ERROR_ADVICE } from './error-advice.ts'
import { code, table } from './markdown.ts'
import { type ErrorClass, errorClasses } from './source-facts.ts'

/** How the codes of the exit-code table are told to an operator. */
const EXIT_MEANING: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'done, and what was to be shown holds',
  failed: 'it ran and what it was to show does not hold; or an error without an exit code of its own',
  usage: 'the command was called wrongly',
  config: 'a setting, the identity table, or the rights on a file',
  locked: 'another process has the data directory',
  database: 'the data directory is of a newer release, or damaged',
  addressInUse: 'a port or the admin socket is taken',
  diskFull: 'the disk is full',
  wrongKey: 'the network key is missing, unreadable, or not the one of the identity table',
  stopTimeout: 'the node did not stop within its time'
}

/** Exit code → meaning and the error codes behind it. */
export function exitCodeTable(): string {
  const all = new Set(errorClasses().flatMap(({ codes }) => codes))
  const rows = (Object.entries(EXIT) as [keyof typeof EXIT, number][]).map(([name, exit]) => {
    const codes = exit === EXIT.failed ? [] : [...all].filter((of) => exitCodeOf({ code: of }) === exit).sort()
    return [String(exit), EXIT_MEANING[name], codes.map(code).join(', ') || '–']
  })
  return table(['exit', 'meaning', 'error codes'], rows)
}

/** One table for each class of errors, in the order of the rooms' names. */
export function errorTables(): string {
  const classes = errorClasses().sort((a, b) => (a.room + a.name < b.room + b.name ? -1 : 1))
  const faults = [...classes.flatMap(faultsOf), ...superfluous(classes)]
  if (faults.length > 0) throw new Error(faults.join('\n'))
  return classes.map(tableOf).join('\n\n')
}

function tableOf({ room, name, codes, meanings }: ErrorClass): string {
  const rows = codes.map((of) => [code(of), meanings.get(of) ?? '', shownAs(room, of), ERROR_ADVICE[room]?.[of] ?? ''])
  return `### ${room}: ${name}\n\n${table(['code', 'meaning', 'seen as', 'what to do'], rows)}`
}

function shownAs(room: string, of: string): string {
  const http = room === 'api' ? (REQUEST_STATUS as Readonly<Record<string, number>>)[of] : undefined
  if (http !== undefined) return `HTTP ${http}`
  const exit = exitCodeOf({ code: of })
  return exit === EXIT.failed ? '–' : `exit ${exit}`
}

function faultsOf({ room, file, codes, meanings }: ErrorClass): string[] {
  return codes.flatMap((of) => [
    ...((meanings.get(of) ?? '') === '' ? [`${file}: the code '${of}' has no comment that says what it means`] : []),
    ...(ERROR_ADVICE[room]?.[of] === undefined
      ? [`build/docs/error-advice.ts: nothing says what to do about ${room} '${of}'`]
      : [])
  ])
}

function superfluous(classes: readonly ErrorClass[]): string[] {
  const known = new Set(classes.flatMap(({ room, codes }) => codes.map((of) => `${room} '${of}'`)))
  return Object.entries(ERROR_ADVICE)
    .flatMap(([room, codes]) => Object.keys(codes).map((of) => `${room} '${of}'`))
    .filter((name) => !known.has(name))
    .map((name) => `build/docs/error-advice.ts: there is no code ${name}`)
}
