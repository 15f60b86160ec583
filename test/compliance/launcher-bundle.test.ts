import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { bundleOf } from '../../bin/bundle.mjs'

const BUILT = 1000

describe('the bundle that the launcher takes', () => {
  let root = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'bundle-'))
  })
  afterEach(() => rmSync(root, { recursive: true }))

  const put = (path: string, changedAt: number): void => {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, '')
    utimesSync(file, changedAt, changedAt)
  }

  test('is current in an installed package, which has no sources', () => {
    put('dist/main.js', BUILT)
    assert.deepEqual(bundleOf(root), { current: true })
  })

  test('is current in a checkout in which nothing is newer', () => {
    put('dist/main.js', BUILT)
    put('src/a/b.ts', BUILT)
    put('cmd/main.ts', BUILT - 1)
    put('test/later.test.ts', BUILT + 1)
    assert.deepEqual(bundleOf(root), { current: true })
  })

  for (const path of ['src/a/deep/one.ts', 'cmd/main.ts', 'package-lock.json']) {
    test(`is not once ${path} is newer, and one line says so and what to do`, () => {
      put('dist/main.js', BUILT)
      put('src/a/b.ts', BUILT - 1)
      put(path, BUILT + 1)
      assert.deepEqual(bundleOf(root), {
        current: false,
        notice: `sealsync: ${path} is newer than dist/: running the sources; 'npm run build' makes the bundle`
      })
    })
  }

  test('is not there in a checkout that was not built', () => {
    put('src/a.ts', BUILT)
    assert.equal(
      bundleOf(root).notice,
      "sealsync: there is no bundle in dist/: running the sources; 'npm run build' makes the bundle"
    )
  })
})
