import { type Benchmark, compare } from '../harness/bench.ts'
import { type ChainFeed, ChainNetwork, FEEDS } from '../harness/chain-run.ts'
import { decodeBlocks } from '../harness/chain-decode.ts'
import { type Contender, type ContenderName, isLeftOut, prepare } from '../harness/contender.ts'
import { prefixed } from '../harness/herd-run.ts'
import { atLeast, atMost, type Figures, type Goal } from '../harness/report.ts'

const BLOCKS = 3000
const HOLDERS = 4
/** Four times the genuine chain's shapes. */
const DECODED = 288
/** To stored and tracked. flow-go, which decodes as well, does about half of it. */
const BLOCKS_PER_SECOND = 600

/** What the holders of a chain can tell a syncing node of: Go's peer serves blobs, and announces nothing. */
const FEEDS_OF: Partial<Record<ContenderName, readonly ChainFeed[]>> = { sealsync: FEEDS, boxo: ['list'] }

export const chain: Benchmark = {
  name: 'chain',
  summary:
    'a node with an empty disk syncs blocks as large as genuine ones, from holders of its own kind and of Go, to stored and tracked, and to decoded',
  flags: ['rounds', 'contenders', 'holders', 'count', 'security'],
  run: async (options, progress) => {
    const plan = {
      holders: options.holders?.[0] ?? HOLDERS,
      blocks: options.count ?? BLOCKS,
      security: options.security ?? ('tls' as const)
    }
    const names = (options.contenders ?? (['sealsync', 'boxo'] as const)).filter((name) => name in FEEDS_OF)
    const networks = new Map<string, ChainNetwork>()
    const networkOf = async (contender: Contender): Promise<ChainNetwork> => {
      const started = networks.get(contender.name)
      if (started !== undefined) return started
      const heldBy = contender.name === 'sealsync' ? {} : { heldBy: contender }
      const network = await ChainNetwork.prepare({ ...plan, ...heldBy }, progress)
      networks.set(contender.name, network)
      progress(`one sync from ${contender.name} that is not counted: holders have been running for long`)
      await network.run('list', true)
      return network
    }
    try {
      // Before the first round, so that every round finds the same machine.
      for (const one of await Promise.all(names.map(prepare))) if (!isLeftOut(one)) await networkOf(one)
      const [any] = networks.values()
      return await compare(
        {
          name: 'chain',
          options: { ...plan, blobs: any?.chain.blobs, bytes: any?.chain.bytes },
          contenders: names,
          rounds: options.rounds ?? 3,
          run: async (holder) => {
            const network = await networkOf(holder)
            const figures: Figures[] = []
            if (holder.name === 'sealsync') figures.push(prefixed('decoding alone: ', await decodeBlocks(DECODED)))
            for (const feed of FEEDS_OF[holder.name as ContenderName] ?? []) {
              figures.push(prefixed(`${feed}: `, await network.run(feed, false)))
              figures.push(prefixed(`${feed}, decoded: `, await network.run(feed, true)))
            }
            return Object.assign({}, ...figures) as Figures
          },
          judge: (reports) => ({
            ratios: {},
            goals: names.flatMap((name) =>
              (FEEDS_OF[name] ?? []).flatMap((feed) => goalsOf(`held by ${name}`, feed, reports.get(name)?.median))
            )
          })
        },
        progress
      )
    } finally {
      for (const network of networks.values()) await network.close()
    }
  }
}

function goalsOf(label: string, feed: ChainFeed, figures: Figures = {}): Goal[] {
  const decoded = `${feed}, decoded`
  return [
    ...[feed, decoded].flatMap((run) => [
      atMost(`${label}: ${run}: DuplicateRatio`, figures[`${run}: DuplicateRatio`], 0),
      atMost(`${label}: ${run}: MissingBytes`, figures[`${run}: MissingBytes`], 0)
    ]),
    atLeast(`${label}: ${feed}: BlocksPerSecond`, figures[`${feed}: BlocksPerSecond`], BLOCKS_PER_SECOND)
  ]
}
