import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { heapTrimmer } from '#src/node/native-heap.ts'

/** glibc on the processors for which the package is named. */
const { glibcVersionRuntime } = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header
const here =
  process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch) && glibcVersionRuntime !== undefined

describe('giving freed memory back', () => {
  it('finds malloc_trim where glibc has it, and says once where there is none', () => {
    const missing: unknown[] = []
    const trim = heapTrimmer((cause) => missing.push(cause))
    trim()
    trim()
    assert.equal(missing.length, here ? 0 : 1)
  })
})
