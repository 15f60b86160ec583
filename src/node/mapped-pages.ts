/**
 * Lets go of what is mapped. Level maps its tables into memory, and whatever was read of them stays resident until the machine is short: a node
 * looks larger the more it stores, though nobody reads there. One call hands the pages back, and the next read takes them from the disk.
 */
import { readFileSync, realpathSync } from 'node:fs'
import { loadKoffi, type NativeFunction } from './native.ts'

/** `madvise(2)`, Linux 5.4: unlike MADV_DONTNEED it loses nothing where an address has come to mean something else in the meantime. */
const MADV_PAGEOUT = 21
const MAPPED = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+ +(\/.*)$/gm

/** Synchronous; some microseconds a mapping. */
export type PageOut = () => void

/**
 * Pages out what this process has mapped of the files right under `directory`. Loads what it needs when it is first called. Never throws:
 * where it cannot be done (no such call, no `/proc`), `missing` is told once, and the pages stay.
 */
export function filePager(directory: string, missing: (cause: unknown) => void): PageOut {
  let madvise: MemoryAdvice | undefined
  let failed = false
  return () => {
    if (failed) return
    try {
      madvise ??= open()
      const place = realpathSync(directory)
      for (const [address, length] of mappedUnder(place)) madvise(address, length, MADV_PAGEOUT)
    } catch (cause) {
      failed = true
      missing(cause)
    }
  }
}

/** `int madvise(void *addr, size_t length, int advice)`. An older kernel refuses the advice by its result, which nothing depends on. */
type MemoryAdvice = NativeFunction<[address: number, length: number, advice: number], number>

function open(): MemoryAdvice {
  if (process.platform !== 'linux') throw new Error(`no madvise on ${process.platform}`)
  return loadKoffi().load(null).func('int madvise(uintptr_t, size_t, int)')
}

function* mappedUnder(place: string): Generator<readonly [address: number, length: number]> {
  for (const [, from = '', to = '', path = ''] of readFileSync('/proc/self/maps', 'latin1').matchAll(MAPPED)) {
    if (!path.startsWith(`${place}/`) || path.includes('/', place.length + 1)) continue
    const address = Number.parseInt(from, 16)
    yield [address, Number.parseInt(to, 16) - address]
  }
}
