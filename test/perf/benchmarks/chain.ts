import { type Benchmark, compare } from '../harness/bench.ts'
import { ChainNetwork, FEEDS } from '../harness/chain-run.ts'
import { decodeBlocks } from '../harness/chain-decode.ts'
import { prefixed } from '../harness/herd-run.ts'
import { atLeast, atMost, type Figures } from '../harness/report.ts'

const BLOCKS = 3000
const HOLDERS = 4
/** Four times the genuine chain's shapes. */
const DECODED = 288
/** flow-go, which decodes as well, does about half of it. */
const BLOCKS_PER_SECOND = 600

export const chain: Benchmark = {
  name: 'chain',
  summary:
    'a node with an empty disk syncs blocks as large as genuine ones from holders, to stored, tracked and checked',
  flags: ['rounds', 'holders', 'count', 'security'],
  run: async (options, progress) => {
    const plan = {
      holders: options.holders?.[0] ?? HOLDERS,
      blocks: options.count ?? BLOCKS,
      security: options.security ?? ('tls' as const)
    }
    const network = await ChainNetwork.prepare(plan, progress)
    try {
      const { blobs, bytes } = network.chain
      progress('one sync that is not counted: holders have been running for long')
      await network.run('list')
      return await compare(
        {
          name: 'chain',
          options: { ...plan, blobs, bytes },
          contenders: ['sealsync'],
          rounds: options.rounds ?? 3,
          run: async () => {
            const figures: Figures[] = [prefixed('decoding alone: ', await decodeBlocks(DECODED))]
            for (const feed of FEEDS) figures.push(prefixed(`${feed}: `, await network.run(feed)))
            return Object.assign({}, ...figures) as Figures
          },
          judge: (reports) => {
            const figures = reports.get('sealsync')?.median ?? {}
            return {
              ratios: {},
              goals: FEEDS.flatMap((feed) => [
                atMost(`${feed}: DuplicateRatio`, figures[`${feed}: DuplicateRatio`], 0),
                atMost(`${feed}: MissingBytes`, figures[`${feed}: MissingBytes`], 0),
                atLeast(`${feed}: BlocksPerSecond`, figures[`${feed}: BlocksPerSecond`], BLOCKS_PER_SECOND)
              ])
            }
          }
        },
        progress
      )
    } finally {
      await network.close()
    }
  }
}
