import type { Command } from 'commander'
import { importCars } from '#src/node/index.ts'
import { formatSize } from '#src/util/index.ts'
import { type CommandContext, UsageError, writeJson } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { dataDirOf, type NodeFlags } from './node-options.ts'
import { createProgress } from './progress.ts'

/** `import`: CAR files into the store of a stopped node. */
export function addImportCommand(program: Command, context: CommandContext, done: (code: number) => void): void {
  program
    .command('import')
    .description('put CAR files, or folders of them, into the store of a stopped node and track their blocks')
    .argument('<path...>', 'CAR files, or folders that have some at any depth up to 16')
    .option('--data-dir <dir>', "the node's data directory")
    .requiredOption('--feed <file:PATH>', 'the block list that names the blocks of the files')
    .option('--json', 'one JSON object')
    .action(async (paths: string[], flags: NodeFlags & { feed: string; json?: boolean }) => {
      if (!/^file:./.test(flags.feed)) throw new UsageError(`--feed '${flags.feed}' must be file:PATH`)
      const progress = createProgress(context, 'import')
      const result = await importCars(
        { dataDir: dataDirOf(flags, context), blockList: flags.feed.slice('file:'.length), paths },
        {
          signal: context.signal,
          onProgress: (state) =>
            progress.update(`${state.blocks} blocks, ${state.blobs} blobs, ${formatSize(state.bytes)}`)
        }
      )
      progress.end()
      if (flags.json === true) writeJson(context, result)
      else {
        context.stdout.write(
          `${result.files} files, ${result.blobs} blobs (${formatSize(result.bytes)}), ${result.tracked} blocks tracked\n`
        )
        for (const reason of result.reasons) context.stderr.write(`sealsync: ${reason}\n`)
      }
      done(result.reasons.length === 0 ? EXIT.ok : EXIT.failed)
    })
}
