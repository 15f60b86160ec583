import { readFile } from 'node:fs/promises'

/** What the kernel says of a process. */
export interface ProcessFigures {
  readonly rssBytes: number
  /** Resident memory that is not backed by a file. */
  readonly anonBytes: number
  /** User and system time since the process began, its threads included. */
  readonly cpuSeconds: number
}

/** `USER_HZ`, the unit of `/proc/PID/stat`: 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100

/** Reads the text of `/proc/PID/status` (sizes are in KiB) and `/proc/PID/stat`; `undefined` when a field is missing. */
export function parseProcessFigures(status: string, stat: string): ProcessFigures | undefined {
  const kib = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? Number.NaN)
  // The second field is the command in parentheses and may hold anything; user and system time are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  const figures = { rssBytes: kib('VmRSS') * 1024, anonBytes: kib('RssAnon') * 1024, cpuSeconds }
  return Object.values(figures).some(Number.isNaN) ? undefined : figures
}

/** `undefined` where there is no `/proc`, or no such process. */
export async function readProcessFigures(pid: number): Promise<ProcessFigures | undefined> {
  try {
    const [status, stat] = await Promise.all([
      readFile(`/proc/${pid}/status`, 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8')
    ])
    return parseProcessFigures(status, stat)
  } catch {
    return undefined
  }
}
