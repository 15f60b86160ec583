import { readFileSync, writeFileSync } from 'node:fs'

const TICKS_PER_SECOND = 100

/** User and system time since the process began, seconds; 0 where there is no `/proc`. */
export function cpuSeconds(pid: number): number {
  const stat = read(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND
}

/** Resident memory, bytes: now, and the most since `resetPeak`. */
export function memory(pid: number): { readonly rssBytes: number; readonly peakBytes: number } {
  const status = read(`/proc/${pid}/status`)
  const kib = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0)
  return { rssBytes: kib('VmRSS') * 1024, peakBytes: kib('VmHWM') * 1024 }
}

/** Resident memory split as the kernel can drop it by itself (file-backed) and cannot (anonymous), bytes. */
export function residentSplit(pid: number): {
  readonly rssBytes: number
  readonly anonBytes: number
  readonly fileBytes: number
} {
  const rollup = read(`/proc/${pid}/smaps_rollup`)
  const bytes = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1] ?? 0) * 1024
  const rssBytes = bytes('Rss')
  const anonBytes = bytes('Anonymous')
  return { rssBytes, anonBytes, fileBytes: rssBytes - anonBytes }
}

/** Lets the kernel's high-water mark of resident memory begin anew. */
export function resetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
  } catch {
    // No such kernel: the peak is the one since the start, which is no less.
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
