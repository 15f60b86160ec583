import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { NODE_FLAGS } from '../../../bin/node-settings.mjs'

const PROGRAM = fileURLToPath(new URL('./paging-run.ts', import.meta.url))
/** Beside that with which a process begins. One for each 80 MB, 26 in all, when a blob outlived its load by what the map of loads leaves behind. */
const FULL_COLLECTIONS = 5
/** What is on its way and read since the last collection, twice over. */
const HELD_BYTES = 64 * 1_048_576

describe('paging through a warehouse that keeps nothing', () => {
  test('leaves no blob that only a full collection would find', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [...NODE_FLAGS, PROGRAM])
    const { full, heldBytes } = JSON.parse(stdout) as { readonly full: number; readonly heldBytes: number }
    assert.ok(full <= FULL_COLLECTIONS, `${full} full collections`)
    assert.ok(heldBytes <= HELD_BYTES, `${heldBytes} bytes held`)
  })
})
