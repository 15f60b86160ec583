// Runs the tests: `node test/run.mjs [unit|compliance|sim|e2e|house …] [file …] [--flag …]`; everything when nothing is named.
// Flags are handed on to node:test. A test that leaves a handle open keeps its process alive, on purpose; the time limit ends it.
import { spawn } from 'node:child_process'
// As a whole: an old Node, which only starts the right one, has no globSync to import.
import fs from 'node:fs'
import { join } from 'node:path'
import { root, underProjectNode } from '../build/project-node.mjs'

const KINDS = ['unit', 'compliance', 'sim', 'e2e', 'house']
/** Continuous integration gives a run 15 minutes; what is still open then is named below rather than cut off there. */
const LIMIT_MINUTES = Number(process.env.SEALSYNC_TEST_LIMIT_MINUTES ?? 14)
/** How long node:test may take to report once it is told to end. */
const GRACE_MS = 5000
/** Gives libp2p its P-256 identities before anything loads it. */
const HOOK = './src/p2p/identity-keys/register.ts'

function testFiles(names) {
  return (names.length > 0 ? names : KINDS).flatMap((name) =>
    name.endsWith('.ts') ? [name] : fs.globSync(`test/${name}/**/*.test.ts`, { cwd: root }).sort()
  )
}

await underProjectNode(async () => {
  const args = process.argv.slice(2)
  const files = testFiles(args.filter((arg) => !arg.startsWith('-')))
  if (files.length === 0) {
    process.stderr.write('no test file matches\n')
    process.exitCode = 1
    return
  }
  const child = spawn(
    process.execPath,
    [
      ...(fs.existsSync(join(root, HOOK)) ? ['--import', HOOK] : []),
      '--test',
      '--test-concurrency=2',
      '--test-reporter=spec',
      ...args.filter((arg) => arg.startsWith('-')),
      ...files
    ],
    // A process group of its own, so that the tests and the processes they start can be ended together.
    {
      cwd: root,
      stdio: 'inherit',
      detached: true,
      env: { ...process.env, NODE_COMPILE_CACHE: join(root, '.cache', 'compile') }
    }
  )
  const end = (signal) => {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, signal)
    } catch (error) {
      if (error.code !== 'ESRCH') throw error
    }
  }
  let late = false
  const limit = setTimeout(() => {
    late = true
    process.stderr.write(
      `\nThe tests have not ended after ${LIMIT_MINUTES} minutes: a handle is open, or one is too slow.\n`
    )
    end('SIGTERM')
    setTimeout(() => end('SIGKILL'), GRACE_MS).unref()
  }, LIMIT_MINUTES * 60_000)
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, end)
  const [code, signal] = await new Promise((resolve) => child.on('exit', (...ended) => resolve(ended)))
  clearTimeout(limit)
  if (late) end('SIGKILL')
  for (const name of ['SIGINT', 'SIGTERM']) process.off(name, end)
  process.exitCode = late || signal !== null ? 1 : code
})
