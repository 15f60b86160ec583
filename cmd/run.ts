import type { Command } from 'commander'
import { createLogger } from '#src/log/index.ts'
import {
  assertInitialised,
  createNode,
  endWindDown,
  initNode,
  isInitialised,
  loadConfig,
  NodeError,
  type SealsyncNode,
  toNodeConfig
} from '#src/node/index.ts'
import { messageOf, systemClock } from '#src/util/index.ts'
import type { CommandContext } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { addNodeOptions, configSources, dataDirOf, type NodeFlags } from './node-options.ts'

/** `run`: a node, until it is told to stop. */
export function addRunCommand(program: Command, context: CommandContext, done: (code: number) => void): void {
  addNodeOptions(program.command('run').alias('start').description('run a node'))
    .option('--init', 'make the data directory first when it is not there (for containers)')
    .option('--stop-at-eof', 'stop when standard input ends: for programs that start a node and may be killed')
    .action(async (flags: NodeFlags & { init?: boolean; stopAtEof?: boolean }) => {
      const dataDir = dataDirOf(flags, context)
      const config = toNodeConfig(loadConfig(configSources(flags, context)), dataDir)
      if (await endWindDown(dataDir)) return done(EXIT.ok)
      if (flags.init === true && !(await isInitialised(dataDir))) {
        await initNode({ dataDir, role: config.role, address: `${config.p2pAddress.host}:${config.p2pAddress.port}` })
      }
      await assertInitialised(dataDir)
      const logger = await createLogger(config.log, context.stdout.isTTY === true)
      const node = await createNode(config, { logger })
      const ends = flags.stopAtEof === true && context.stdin !== undefined ? [endOf(context.stdin)] : []
      const signal = AbortSignal.any([context.signal, ...ends])
      done(await runUntilStopped(node, { signal, stopTimeoutMs: config.stopTimeoutMs }))
    })
}

/** Aborts when the input ends or breaks: the kernel closes it when whoever holds its other end is gone, however that came about. */
function endOf(input: NonNullable<CommandContext['stdin']>): AbortSignal {
  const controller = new AbortController()
  const end = (): void => controller.abort(new Error('standard input ended'))
  input.once('end', end).once('close', end).once('error', end)
  input.resume()
  // A node that has stopped does not wait for it.
  input.unref?.()
  return controller.signal
}

async function runUntilStopped(
  node: SealsyncNode,
  options: { readonly signal: AbortSignal; readonly stopTimeoutMs: number }
): Promise<number> {
  const aborted = new Promise<void>((resolve) => {
    if (options.signal.aborted) resolve()
    options.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  try {
    await node.start()
    await Promise.race([aborted, node.stopRequested, node.failed])
  } finally {
    await stopWithin(node, options.stopTimeoutMs)
  }
  return EXIT.ok
}

/**
 * Stops in order; when that takes too long the process is ended with the exit code that says so. The same timer ends a process that
 * stopped but left a handle open: it does not keep the process alive by itself.
 */
async function stopWithin(node: SealsyncNode, timeoutMs: number): Promise<void> {
  systemClock.setTimer(
    timeoutMs,
    () => {
      process.stderr.write(`sealsync: the node did not stop within ${timeoutMs} ms, ended\n`)
      process.exit(EXIT.stopTimeout)
    },
    { background: true }
  )
  try {
    await node.stop()
  } catch (error) {
    throw new NodeError('stop-timeout', `the stop went wrong: ${messageOf(error)}`, { cause: error })
  }
}
