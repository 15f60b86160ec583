import type { AnnouncementsFeed, AnnouncementsFeedOptions } from '#src/feed/index.ts'
import type { Height, PeerIdText, SealedBlock } from '#src/model/index.ts'
import { FakeNetwork } from './fake-network.ts'

export const A = 'QmA' as PeerIdText
export const B = 'QmB' as PeerIdText
export const C = 'QmC' as PeerIdText

interface Bench {
  readonly network: FakeNetwork
  readonly feed: AnnouncementsFeed
  readonly signal: AbortSignal
  /** Blocks given out from a height on, as they come. */
  readonly read: (
    from: Height,
    options?: { readonly release?: boolean }
  ) => { readonly blocks: SealedBlock[]; readonly ended: Promise<unknown> }
  /** Lets so much time pass. */
  readonly run: (ms: number) => Promise<void>
}

/** A feed over a fake network, stopped when the test is over. */
export async function bench(
  staked: number,
  options: Partial<AnnouncementsFeedOptions>,
  test: (bench: Bench) => Promise<void>
): Promise<void> {
  const network = new FakeNetwork(staked)
  const feed = network.feed(options)
  const stop = new AbortController()
  await feed.start()
  const read: Bench['read'] = (from, { release = false } = {}) => {
    const blocks: SealedBlock[] = []
    const loop = async (): Promise<void> => {
      for await (const block of feed.blocks(from, { signal: stop.signal })) {
        blocks.push(block)
        if (release) feed.release(block.height)
      }
    }
    const ended = loop().catch((error: unknown) => error)
    return { blocks, ended }
  }
  try {
    const run = async (ms: number): Promise<void> => {
      await turn()
      await network.clock.run(network.clock.now() + ms)
      await turn()
    }
    await test({ network, feed, signal: stop.signal, read, run })
  } finally {
    stop.abort(new Error('the test is over'))
    await feed.stop()
  }
}

/** Lets everything run that waits for nothing but its turn. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export const heights = (blocks: readonly SealedBlock[]): Height[] => blocks.map(({ height }) => height)
export const range = (from: Height, to: Height): Height[] => Array.from({ length: to - from + 1 }, (_, at) => from + at)

export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = {}
  return (await Promise.race([promise.catch(() => undefined), Promise.resolve(pending)])) === pending
}
