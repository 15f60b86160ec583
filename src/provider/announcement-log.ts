/**
 * The announcements this node has signed, kept to be replayed word for word.
 *
 * Keys: `00` holds the sum of the lengths (u64), `01 ‖ height (u64)` one signed announcement in its wire form. All integers are
 * big-endian, so that the order of the keys is the order of the heights. An entry and the removal of what retention drops for it are
 * one synced batch: what was appended once is never appended again, also after a crash.
 */
import type { Logger } from '../log/logger.ts'
import type { Height, SignedAnnouncement } from '../model/index.ts'
import type { KeyValueOperation, KeyValueSpace } from '../store/key-value.ts'
import { messageOf } from '../util/index.ts'
import { ProviderError } from './errors.ts'
import type { ProviderMetrics } from './metrics.ts'
import type { AnnouncementLogOptions } from './options.ts'

/** What the network's side reads to answer requests for a replay. */
export interface AnnouncementLog {
  /** Lowest height that can be replayed; `undefined` while there is none. */
  readonly lowest: Height | undefined
  readonly highest: Height | undefined
  /** What it holds in [from, to], ascending, read as it is asked for. Entries that cannot be read are left out. */
  read(from: Height, to: Height): AsyncIterable<SignedAnnouncement>
}

/** The provider's side. */
export interface AnnouncementArchive extends AnnouncementLog {
  /** Highest height ever announced; unlike `highest` it stays when everything was pruned. */
  readonly announced: Height | undefined
  /** Sum of the lengths of what is kept. */
  readonly bytes: number
  /** Resolves when durable. Throws ProviderError `not-ascending`. One call at a time. */
  append(announcement: SignedAnnouncement): Promise<void>
}

export interface AnnouncementLogComponents {
  readonly space: KeyValueSpace
  readonly encode: (announcement: SignedAnnouncement) => Uint8Array
  /** Throws when the bytes are no announcement. */
  readonly decode: (bytes: Uint8Array) => SignedAnnouncement
  /** Heights that are pruned are not offered any more: their blobs are gone. */
  readonly prunedTo: () => Height | undefined
  readonly metrics: ProviderMetrics
  readonly logger: Logger
}

const BYTES_KEY = Uint8Array.of(0)
/** Entries that one append removes at most: bounds the batch when retention was lowered; the rest goes with the next ones. */
const MAX_DROPS = 256

/** Reads what is there. Rejects with what the space throws. */
export async function openAnnouncementLog(
  components: AnnouncementLogComponents,
  options: AnnouncementLogOptions
): Promise<AnnouncementArchive> {
  const { space, metrics } = components
  const end = async (reverse: boolean): Promise<Height | undefined> => {
    for await (const [key] of space.entries({ gte: keyOf(0), lt: Uint8Array.of(2), reverse, limit: 1 }))
      return heightOf(key)
    return undefined
  }
  const stored = await space.get(BYTES_KEY)
  const bytes = stored?.length === 8 ? Number(view(stored).getBigUint64(0)) : 0
  metrics.logBytes.set(bytes)
  return new StoredLog(components, options, { lowest: await end(false), highest: await end(true), bytes })
}

class StoredLog implements AnnouncementArchive {
  readonly #components: AnnouncementLogComponents
  readonly #options: AnnouncementLogOptions
  #lowest: Height | undefined
  #highest: Height | undefined
  #bytes: number

  constructor(
    components: AnnouncementLogComponents,
    options: AnnouncementLogOptions,
    held: { readonly lowest: Height | undefined; readonly highest: Height | undefined; readonly bytes: number }
  ) {
    this.#components = components
    this.#options = options
    this.#lowest = held.lowest
    this.#highest = held.highest
    this.#bytes = held.bytes
  }

  get lowest(): Height | undefined {
    const offered = Math.max(this.#lowest ?? 0, this.#unpruned)
    return this.#highest === undefined || offered > this.#highest ? undefined : offered
  }

  get highest(): Height | undefined {
    return this.lowest === undefined ? undefined : this.#highest
  }

  get announced(): Height | undefined {
    return this.#highest
  }

  get bytes(): number {
    return this.#bytes
  }

  get #unpruned(): Height {
    return (this.#components.prunedTo() ?? -1) + 1
  }

  async append(announcement: SignedAnnouncement): Promise<void> {
    const { height } = announcement
    const highest = this.#highest
    if (highest !== undefined && height <= highest) {
      throw new ProviderError('not-ascending', `height ${height} is announced after ${highest}`, {
        details: { height, highest }
      })
    }
    const value = this.#components.encode(announcement)
    const dropped = await this.#dropFor(height, value.length)
    const bytes = dropped.bytesLeft + value.length
    const operations: KeyValueOperation[] = dropped.keys.map((key) => ({ type: 'del', key }))
    operations.push({ type: 'put', key: keyOf(height), value }, { type: 'put', key: BYTES_KEY, value: u64(bytes) })
    await this.#components.space.batch(operations, { sync: true })
    this.#lowest = dropped.lowest ?? height
    this.#highest = height
    this.#bytes = bytes
    this.#components.metrics.logBytes.set(bytes)
  }

  async *read(from: Height, to: Height): AsyncGenerator<SignedAnnouncement> {
    const { space, decode, metrics, logger } = this.#components
    const first = Math.max(from, this.lowest ?? Number.MAX_SAFE_INTEGER)
    const last = Math.min(to, this.#highest ?? -1)
    if (first > last) return
    for await (const [key, value] of space.entries({ gte: keyOf(first), lt: keyOf(last + 1) })) {
      let announcement: SignedAnnouncement
      try {
        announcement = decode(value)
      } catch (error) {
        metrics.corruptAnnouncements.inc()
        logger.warn(
          { height: heightOf(key), reason: messageOf(error) },
          'an announcement of the log cannot be read; it is left out'
        )
        continue
      }
      yield announcement
    }
  }

  /** What must go so that `height` with its `added` bytes fits; `lowest` is what then is the oldest, if any is left. */
  async #dropFor(
    height: Height,
    added: number
  ): Promise<{ readonly keys: Uint8Array[]; readonly bytesLeft: number; readonly lowest: Height | undefined }> {
    const { retentionHeights, retentionBytes } = this.#options
    const floor = Math.max(height - retentionHeights + 1, this.#unpruned)
    const keys: Uint8Array[] = []
    let bytesLeft = this.#bytes
    if (this.#lowest === undefined || (this.#lowest >= floor && bytesLeft + added <= retentionBytes)) {
      return { keys, bytesLeft, lowest: this.#lowest }
    }
    for await (const [key, value] of this.#components.space.entries({ gte: keyOf(this.#lowest), lt: keyOf(height) })) {
      const old = heightOf(key)
      const stays = old >= floor && bytesLeft + added <= retentionBytes
      if (stays || keys.length === MAX_DROPS) return { keys, bytesLeft, lowest: old }
      keys.push(key)
      bytesLeft -= value.length
    }
    return { keys, bytesLeft: Math.max(0, bytesLeft), lowest: undefined }
  }
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  view(bytes).setBigUint64(0, BigInt(value))
  return bytes
}

function keyOf(height: Height): Uint8Array {
  const key = new Uint8Array(9)
  key[0] = 1
  view(key).setBigUint64(1, BigInt(height))
  return key
}

const heightOf = (key: Uint8Array): Height => Number(view(key).getBigUint64(1))
