import type { Command } from 'commander'
import { checkCodec, type CodecReport } from '#src/node/index.ts'
import { formatSize, systemClock } from '#src/util/index.ts'
import { type CommandContext, writeJson } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { createProgress } from './progress.ts'

/** Mismatches shown to people; `--json` has more. */
const SHOWN = 20

/** `codec check` */
export function addCodecCommand(program: Command, context: CommandContext, done: (code: number) => void): void {
  const codec = program.command('codec').description('the encoding of execution data')
  codec
    .command('check')
    .description('decode every block of CAR files, or of folders of them, encode it again and compare blob by blob')
    .argument('<path...>', 'CAR files, or folders that have some at any depth up to 16')
    .option('--strict', 'refuse what no well-behaved producer writes, though it can be read')
    .option('--json', 'one JSON object')
    .action(async (paths: string[], flags: { strict?: boolean; json?: boolean }) => {
      const progress = createProgress(context, 'codec check')
      const report = await checkCodec(
        { paths, strict: flags.strict === true },
        {
          signal: context.signal,
          now: () => systemClock.now(),
          onProgress: ({ files, blocks, bytes }) =>
            progress.update(`${files} files, ${blocks} blocks, ${formatSize(bytes)}`)
        }
      )
      progress.end()
      if (flags.json === true) writeJson(context, report)
      else context.stdout.write(summary(report))
      done(report.ok ? EXIT.ok : EXIT.failed)
    })
}

function summary(report: CodecReport): string {
  const { mbPerSecond, mismatches, mismatchCount } = report
  const rate = (value: number | null): string => (value === null ? '–' : `${value} MB/s`)
  const lines = [
    `${report.blocks} blocks, ${report.blobs} blobs, ${formatSize(report.bytes)} (${formatSize(report.decodedBytes)} decoded)`,
    `decode ${rate(mbPerSecond.decode)}, encode ${rate(mbPerSecond.encode)}`,
    ...mismatches.slice(0, SHOWN).map(({ file, chunk, cid, encoded, what, message }) => {
      const place = chunk === null ? '' : ` chunk ${chunk}:`
      const detail = message ?? `${cid ?? 'no blob'} came out as ${encoded ?? 'no blob'}`
      return `${file}:${place} ${what}: ${detail}`
    }),
    ...(mismatchCount > SHOWN ? [`… and ${mismatchCount - SHOWN} more`] : []),
    report.ok ? 'ok: every blob came out bit for bit' : `not ok: ${report.reasons.join('; ')}`
  ]
  return `${lines.join('\n')}\n`
}
