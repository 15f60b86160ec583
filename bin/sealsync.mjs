#!/usr/bin/env node
// Starts the command line under the right Node, with the memory settings that only count when they are there before the
// process starts. Plain JavaScript that an old Node can parse, so that it can say it is too old.
import { readFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as nodeModule from 'node:module'
import { bundleOf } from './bundle.mjs'
import { nodeSettings, profileOf } from './node-settings.mjs'

const MINIMUM = [24, 9]
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < MINIMUM[0] || (major === MINIMUM[0] && minor < MINIMUM[1])) {
  process.stderr.write(
    `sealsync: Node ${process.versions.node} is too old, ${MINIMUM.join('.')} or newer is needed: put one first in PATH, or use a checkout's 'npm run -s sealsync -- …', which brings its own\n`
  )
  process.exit(2)
}

// `node --conditions=sealsync-sources` keeps to the sources: profiles then name functions and files.
const asksForSources = process.execArgv.includes('--conditions=sealsync-sources')
const bundle = asksForSources ? { current: false } : bundleOf(root)
const fromSource = !bundle.current
const compileCache =
  process.env.NODE_COMPILE_CACHE ||
  (fromSource ? join(root, '.cache', 'compile') : join(tmpdir(), `sealsync-compile-${userInfo().uid}`))

function readText(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

// Whoever sits at a terminal is told; what a script reads stays as it is.
if (bundle.notice !== undefined && process.stderr.isTTY && process.env.SEALSYNC_LAUNCHED !== '1')
  process.stderr.write(`${bundle.notice}\n`)

if (
  (process.argv[2] === 'run' || process.argv[2] === 'start') &&
  process.env.SEALSYNC_LAUNCHED !== '1' &&
  typeof process.execve === 'function'
) {
  const settings = nodeSettings(profileOf(process.argv.slice(3), process.env, readText))
  const environment = {
    ...settings.environment,
    ...process.env,
    NODE_COMPILE_CACHE: compileCache,
    SEALSYNC_LAUNCHED: '1'
  }
  process.execve(
    process.execPath,
    [process.execPath, ...process.execArgv, ...settings.flags, ...process.argv.slice(1)],
    environment
  )
}

nodeModule.enableCompileCache(compileCache)
if (fromSource) {
  await import('../src/p2p/identity-keys/register.ts')
  const { main } = await import('../cmd/main.ts')
  await main(process.argv.slice(2))
} else {
  const { main } = await import('../dist/main.js')
  await main(process.argv.slice(2))
}
