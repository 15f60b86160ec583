import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { heapTrimmer } from '#src/node/native-heap.ts'

/** glibc on the processors for which the package is named. */
const { glibcVersionRuntime } = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header
const here =
  process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch) && glibcVersionRuntime !== undefined

const MIB = 1_048_576
/** Below the size from which glibc gives an allocation a mapping of its own. */
const BLOCK_BYTES = 32 * 1_024
const BLOCKS = 1_024
/** So many blocks stay, all over the heap: without a word to glibc nothing below the last of them goes back. */
const KEPT_EVERY = 64

/** Resident bytes of the heap that the main thread's `malloc` takes from. */
function heapBytes(): number {
  const [, area = ''] = readFileSync('/proc/self/smaps', 'latin1').split(/^[^\n]* \[heap\]$/m)
  return Number(/^Rss:\s+(\d+) kB$/m.exec(area)?.[1] ?? Number.NaN) * 1_024
}

describe('giving freed memory back', () => {
  it('finds malloc_trim where glibc has it, and says once where there is none', () => {
    const missing: unknown[] = []
    const trim = heapTrimmer((cause) => missing.push(cause))
    trim()
    trim()
    assert.equal(missing.length, here ? 0 : 1)
  })

  it('gives back what was freed between blocks that are still in use', () => {
    if (!here) return
    const trim = heapTrimmer((cause) => assert.fail(String(cause)))
    trim()
    const before = heapBytes()
    const blocks = Array.from({ length: BLOCKS }, () => new Uint8Array(BLOCK_BYTES).fill(1))
    const full = heapBytes()
    assert.ok(full - before > (BLOCKS * BLOCK_BYTES) / 2, `the heap grew from ${before} to ${full} bytes only`)
    const kept = blocks.filter((_, at) => at % KEPT_EVERY === KEPT_EVERY - 1)
    // A transfer to nothing frees a block at once, where a collection would come when it likes.
    for (const block of blocks) if (!kept.includes(block)) block.buffer.transfer(0)
    const freed = heapBytes()
    assert.ok(freed > full - MIB, `${full} bytes fell to ${freed} by themselves`)
    trim()
    const after = heapBytes()
    assert.ok(freed - after > (BLOCKS * BLOCK_BYTES) / 2, `${freed} bytes fell to ${after} only`)
    assert.ok(kept.every((block) => block.every((byte) => byte === 1)))
  })
})
