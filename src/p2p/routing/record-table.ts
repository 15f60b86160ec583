import { systemNextTurn } from '../../util/index.ts'

/** Where provider records lie: by the key's two parts, the blob and the peer. */
export interface RecordTable {
  get(place: RecordPlace): Promise<Uint8Array | undefined>
  /** Writes the record, or removes it for `undefined`; resolves with what stood there. */
  replace(place: RecordPlace, value: Uint8Array | undefined): Promise<Uint8Array | undefined>
  /** Records of one blob, or all. */
  entries(blob?: string): AsyncIterable<readonly [RecordPlace, Uint8Array]>
}

export interface RecordPlace {
  /** The blob's multihash in base32, as kad-dht writes it. */
  readonly blob: string
  readonly peer: string
}

/** Entries handed out in one turn of the event loop: a walk over all records must not stop the node. */
const ENTRIES_PER_TURN = 256

/** All records in memory, as the network's own access nodes had them. */
export class MemoryRecords implements RecordTable {
  readonly #blobs = new Map<string, Map<string, Uint8Array>>()

  get({ blob, peer }: RecordPlace): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#blobs.get(blob)?.get(peer))
  }

  replace({ blob, peer }: RecordPlace, value: Uint8Array | undefined): Promise<Uint8Array | undefined> {
    const peers = this.#blobs.get(blob)
    const before = peers?.get(peer)
    if (value === undefined) {
      if (peers?.delete(peer) === true && peers.size === 0) this.#blobs.delete(blob)
    } else if (peers === undefined) this.#blobs.set(blob, new Map([[peer, value]]))
    else peers.set(peer, value)
    return Promise.resolve(before)
  }

  async *entries(blob?: string): AsyncGenerator<readonly [RecordPlace, Uint8Array]> {
    const named = blob === undefined ? undefined : this.#blobs.get(blob)
    const all = blob === undefined ? this.#blobs : new Map(named === undefined ? [] : [[blob, named]])
    let left = ENTRIES_PER_TURN
    for (const [of, peers] of all) {
      for (const [peer, value] of peers) yield [{ blob: of, peer }, value]
      left -= peers.size
      if (left > 0) continue
      left = ENTRIES_PER_TURN
      await new Promise<void>((resolve) => systemNextTurn(resolve))
    }
  }
}

/** The part of an ordered key-value store that the records need. */
export interface RecordSpace {
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  batch(
    operations: readonly (
      | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
      | { readonly type: 'del'; readonly key: Uint8Array }
    )[],
    options: { readonly sync: boolean }
  ): Promise<void>
  entries(range: {
    readonly gte?: Uint8Array
    readonly lt?: Uint8Array
  }): AsyncIterable<readonly [Uint8Array, Uint8Array]>
}

const keyOf = ({ blob, peer }: RecordPlace): Uint8Array => Buffer.from(`${blob}/${peer}`, 'latin1')

/** Records in a space of the node's database. They are not synced one by one: a lost one is told again. */
export class StoredRecords implements RecordTable {
  readonly #space: RecordSpace
  /** One write after the other, so that each sees what the last one left. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(space: RecordSpace) {
    this.#space = space
  }

  get(place: RecordPlace): Promise<Uint8Array | undefined> {
    return this.#space.get(keyOf(place))
  }

  replace(place: RecordPlace, value: Uint8Array | undefined): Promise<Uint8Array | undefined> {
    const key = keyOf(place)
    const write = async (): Promise<Uint8Array | undefined> => {
      const before = await this.#space.get(key)
      const operation = value === undefined ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const)
      await this.#space.batch([operation], { sync: false })
      return before
    }
    const result = this.#last.then(write)
    this.#last = result.catch(() => {})
    return result
  }

  async *entries(blob?: string): AsyncGenerator<readonly [RecordPlace, Uint8Array]> {
    // `0` is the character after the slash.
    const range =
      blob === undefined ? {} : { gte: Buffer.from(`${blob}/`, 'latin1'), lt: Buffer.from(`${blob}0`, 'latin1') }
    for await (const [key, value] of this.#space.entries(range)) {
      const [of = '', peer = ''] = Buffer.from(key).toString('latin1').split('/')
      yield [{ blob: of, peer }, value]
    }
  }
}
