/**
 * Gives back what glibc keeps. A heap ends at its last used byte, and what lies free below stays with the process: 4 MiB of an idle node,
 * some tens after a storm. One call of `malloc_trim` returns all of it, page by page; JavaScript has no way there, so koffi
 * makes the call. Where it is not installed, or the C library has no such function (musl, macOS), nothing is given back.
 */
import { loadKoffi } from './native.ts'

/** Pages go back to the system; a heap of 100 MiB takes some milliseconds. */
export type TrimHeap = () => void

/** Loads what it needs when it is first called: 1.2 MB of resident memory. `missing` is told once when there is no such thing. */
export function heapTrimmer(missing: (cause: unknown) => void): TrimHeap {
  let trim: TrimHeap | undefined
  return () => {
    trim ??= open(missing)
    trim()
  }
}

function open(missing: (cause: unknown) => void): TrimHeap {
  try {
    const mallocTrim = loadKoffi().load(null).func<[pad: number], number>('int malloc_trim(size_t)')
    return () => void mallocTrim(0)
  } catch (cause) {
    missing(cause)
    return () => undefined
  }
}
