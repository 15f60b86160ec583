// Runs the tests under the Node of the dev dependency. `node test/run.mjs [unit|sim|e2e|house…] [file…]`; everything without arguments.
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const args = process.argv.slice(2)
const files = args.some((arg) => arg.endsWith('.test.ts'))
  ? args
  : (args.length > 0 ? args : ['unit', 'compliance', 'sim', 'e2e', 'house']).flatMap((kind) =>
      globSync(`test/${kind}/**/*.test.ts`, { cwd: root }).sort()
    )
const child = spawn(process.execPath, ['--import', './src/p2p/identity-keys/register.ts', '--test', '--test-concurrency=2', ...files], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, NODE_COMPILE_CACHE: `${root}.cache/compile` }
})
child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1))
