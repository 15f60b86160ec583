import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { run, type ToolRun } from './tool.ts'

const SCRIPT = fileURLToPath(new URL('../run.mjs', import.meta.url))

/** Runs one test file by itself, as `npm test` would. */
async function runFile(text: string, environment: Readonly<Record<string, string>> = {}): Promise<ToolRun> {
  const folder = mkdtempSync(join(tmpdir(), 'run-'))
  try {
    const file = join(folder, 'one.test.ts')
    writeFileSync(file, text)
    const env: NodeJS.ProcessEnv = { ...process.env, ...environment }
    // Otherwise node:test takes the run for a part of this one.
    delete env['NODE_TEST_CONTEXT']
    return await run(process.execPath, [SCRIPT, file], { cwd: folder, env })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Resolves when there is no such process; one that is alive holds up the test. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return
      throw error
    }
    await setTimeout(20)
  }
}

describe('the run of the tests', () => {
  it('passes on a test that passes, and ends with the count', async () => {
    const { code, stdout } = await runFile("import { test } from 'node:test'\ntest('one', () => {})\n")
    assert.equal(code, 0)
    assert.match(stdout, /tests 1\n.*suites 0\n.*pass 1\n.*fail 0\n/)
  })

  it('fails on a test that fails', async () => {
    const text = "import { test } from 'node:test'\ntest('one', () => {\n  throw new Error('planted')\n})\n"
    const { code, stdout } = await runFile(text)
    assert.equal(code, 1)
    assert.match(stdout, /fail 1\n/)
  })

  it('fails when a leaked handle keeps it from ending, and leaves no process behind', { timeout: 60_000 }, async () => {
    const text =
      "import { test } from 'node:test'\nprocess.stdout.write('pid=' + process.pid + '\\n')\ntest('one', () => {\n  setInterval(() => {}, 1000)\n})\n"
    const { code, stdout, stderr } = await runFile(text, { SEALSYNC_TEST_LIMIT_MINUTES: '0.05' })
    assert.equal(code, 1)
    assert.match(stderr, /The tests have not ended after 0\.05 minutes/)
    const pid = Number(/pid=(\d+)/.exec(stdout)?.[1])
    assert.ok(Number.isInteger(pid), stdout)
    await gone(pid)
  })

  it('fails when no file matches', async () => {
    const { code, stderr } = await run(process.execPath, [SCRIPT, 'nothing'], { cwd: tmpdir() })
    assert.equal(code, 1)
    assert.match(stderr, /no test file matches/)
  })
})
