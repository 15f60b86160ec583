import { type Benchmark, compare } from '../harness/bench.ts'
import { runMany, runObject } from '../harness/fan-out-run.ts'
import { prefixed } from '../harness/herd-run.ts'
import { atMost } from '../harness/report.ts'

const MIB = 1_048_576
const OBJECT_BYTES = 20 * MIB
/** The slow recipient delays nobody: the fast ones' times lie this close together. */
const SPREAD = 2
/** Measured: peaks of passes that hold the same differ by some 20 MiB with the collector; 2 % of 2 GB left behind would be 40. */
const RSS_NOISE_MIB = 24

export const fanOut: Benchmark = {
  name: 'fan-out',
  summary: '20 MiB to 5 peers, one of them slow, and 1 GB as objects of 4 MiB: memory of the sender',
  flags: ['rounds', 'bytes', 'security', 'nodeFlags'],
  run: (options, progress) => {
    const plan = { recipients: 5, security: options.security ?? ('tls' as const), nodeFlags: options.nodeFlags ?? [] }
    const bytes = options.bytes ?? 1e9
    return compare(
      {
        name: 'fan-out',
        options: { ...plan, objectBytes: OBJECT_BYTES, bytes },
        contenders: ['sealsync'],
        rounds: options.rounds ?? 5,
        run: async (contender) => ({
          ...prefixed('object: ', await runObject({ ...plan, contender }, OBJECT_BYTES)),
          ...prefixed('many: ', await runMany({ ...plan, contender, bytes }))
        }),
        judge: (reports) => {
          const figures = reports.get('sealsync')?.median ?? {}
          const last = figures['object: SlowestFastDoneMs']
          const first = figures['object: FastestDoneMs']
          return {
            ratios: {},
            goals: [
              atMost('object: RssAboveCachedMiB', figures['object: RssAboveCachedMiB'], 12),
              atMost('object: last fast recipient to the first', (last ?? Number.NaN) / (first ?? Number.NaN), SPREAD),
              atMost('many: BytesInFlightPeakMiB', figures['many: BytesInFlightPeakMiB'], 64),
              // The slow recipient of each pass is still served in the next: in flight, and bounded by the account.
              atMost('many: RssGrowthMiB over three passes', figures['many: RssGrowthMiB'], RSS_NOISE_MIB)
            ]
          }
        }
      },
      progress
    )
  }
}
