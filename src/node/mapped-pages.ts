/**
 * Lets go of what is mapped. Level maps its tables into memory, and whatever was read of them stays resident until the machine is short: a node
 * looks larger the more it stores, though nobody reads there. One call hands the pages back, and the next read takes them from the disk.
 */
import { readFileSync, realpathSync } from 'node:fs'
import { loadKoffi } from './native.ts'

/** `madvise(2)`, Linux 5.4: unlike MADV_DONTNEED it loses nothing where an address has come to mean something else in the meantime. */
const MADV_PAGEOUT = 21
const MAPPED = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+ +(\/.*)$/gm

/** Synchronous; some microseconds a mapping. */
export type PageOut = () => void

/**
 * Pages out what this process has mapped of the files right under `directory`. Loads what it needs when it is first called;
 * `missing` is told once where there is no such thing.
 */
export function filePager(directory: string, missing: (cause: unknown) => void): PageOut {
  let advise: ((address: number, length: number) => void) | undefined
  return () => {
    advise ??= open(missing)
    if (advise === ignore) return
    const place = realpathSync(directory)
    for (const [, from = '', to = '', path = ''] of readFileSync('/proc/self/maps', 'latin1').matchAll(MAPPED)) {
      if (!path.startsWith(`${place}/`) || path.includes('/', place.length + 1)) continue
      const address = Number.parseInt(from, 16)
      advise(address, Number.parseInt(to, 16) - address)
    }
  }
}

const ignore = (): void => undefined

function open(missing: (cause: unknown) => void): (address: number, length: number) => void {
  try {
    if (process.platform !== 'linux') throw new Error(`no madvise on ${process.platform}`)
    const madvise = loadKoffi()
      .load(null)
      .func<[address: number, length: number, advice: number], number>('int madvise(uintptr_t, size_t, int)')
    // An older kernel refuses it, and the pages stay: nothing else depends on it.
    return (address, length) => void madvise(address, length, MADV_PAGEOUT)
  } catch (cause) {
    missing(cause)
    return ignore
  }
}
