import type { Height } from '../model/index.ts'
import { sleep } from '../util/index.ts'
import { PROGRESS } from './checkpoint.ts'
import type { RequesterOptions } from './options.ts'
import type { RequesterComponents } from './ports.ts'

/** Where an earlier run left off. `consecutive` and `notified` are `start − 1` before anything is held. */
export interface StoredProgress {
  readonly start: Height
  readonly consecutive: Height
  readonly notified: Height
}

/** `undefined` for a node that has never begun. */
export async function loadProgress(
  components: Pick<RequesterComponents, 'progress' | 'logger'>,
  options: Pick<RequesterOptions, 'startHeight'>
): Promise<StoredProgress | undefined> {
  const { progress, logger } = components
  const start = await progress.get(PROGRESS.start)
  if (start === undefined) return undefined
  const consecutive = Math.max(start - 1, (await progress.get(PROGRESS.consecutive)) ?? -1)
  const notified = Math.max(start - 1, (await progress.get(PROGRESS.notified)) ?? -1)
  const wanted = options.startHeight
  if (typeof wanted === 'number' && wanted !== start) {
    logger.warn(
      { wanted, start, consecutive },
      'the start height is not used: this data directory has progress from another one, which goes on; an empty data directory begins anew'
    )
  }
  return { start, consecutive, notified: Math.min(notified, consecutive) }
}

/** Decides where a fresh node begins and writes it down. Waits until the feed knows a height, unless one was given. */
export async function chooseStart(
  components: Pick<RequesterComponents, 'progress' | 'feed' | 'clock' | 'logger'>,
  options: Pick<RequesterOptions, 'startHeight' | 'defaultWindowHeights' | 'startSettleMs'>,
  { signal }: { readonly signal: AbortSignal }
): Promise<StoredProgress> {
  const { feed, clock, logger, progress } = components
  const wanted = options.startHeight
  let start: Height
  if (typeof wanted === 'number') start = wanted
  else {
    const first = await feed.awaitHighest({ signal })
    if (options.startSettleMs > 0) await sleep(clock, options.startSettleMs, signal)
    const below = wanted?.latestMinus ?? options.defaultWindowHeights
    // Nothing below what is offered could be had: beginning there would be a stall from the first second.
    start = Math.max(0, (feed.highest ?? first) - below, feed.lowestOffered ?? 0)
  }
  await progress.set(PROGRESS.start, start)
  logger.info({ start, highest: feed.highest ?? null }, 'sync begins')
  return { start, consecutive: start - 1, notified: start - 1 }
}
