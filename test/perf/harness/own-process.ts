import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { NODE_ENVIRONMENT, NODE_FLAGS } from '../../../bin/node-settings.mjs'
import type { Figures } from './report.ts'

/** A run of its own, with the flags and the environment that a node has: gives what it prints last, as JSON. */
export function inOwnProcess(
  program: URL,
  args: readonly string[],
  { nodeFlags = [] }: { readonly nodeFlags?: readonly string[] } = {}
): Promise<Figures> {
  const child = spawn(process.execPath, [...NODE_FLAGS, ...nodeFlags, fileURLToPath(program), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...NODE_ENVIRONMENT }
  })
  let output = ''
  child.stdout.on('data', (text) => (output += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as Figures)
      else reject(new Error(`${args[0]} ended with exit code ${code}`))
    })
  })
}
