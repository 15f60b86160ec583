// The scripts of this project run under the Node that its dev dependency brings, whatever Node has started them.
import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
export const projectNode = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url))

/**
 * Runs `main` under the project's Node: at once when this is it, else in a child that is given the same script and arguments.
 * The exit code is passed on, and so are the signals that end a run.
 */
export async function underProjectNode(main) {
  if (!existsSync(projectNode)) {
    process.stderr.write('The packages are not installed: run `npm ci` first.\n')
    process.exitCode = 1
    return
  }
  if (realpathSync(process.execPath) === realpathSync(projectNode)) return await main()
  const child = spawn(projectNode, [...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit' })
  const forward = (signal) => child.kill(signal)
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, forward)
  await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      process.exitCode = signal === null ? (code ?? 1) : 1
      resolve()
    })
  })
  for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, forward)
}
