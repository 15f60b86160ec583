/**
 * A small ordered key-value space over Level: for every index and for progress, never for blob bytes. Keys are bytes compared
 * bytewise, so integers in keys are big-endian.
 */
export interface KeyValueSpace {
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  /** As `get` for each, in order, in one turn of the database. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>
  /** All or nothing. With `sync` it resolves when the operating system says the disk has it. */
  batch(operations: readonly KeyValueOperation[], options: { readonly sync: boolean }): Promise<void>
  /** Ascending (or descending with `reverse`) entries with `gte <= key < lt`. */
  entries(range: KeyRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]>
}

export type KeyValueOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

export interface KeyRange {
  readonly gte?: Uint8Array
  readonly lt?: Uint8Array
  readonly reverse?: boolean
  readonly limit?: number
}
