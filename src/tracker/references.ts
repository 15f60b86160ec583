import type { BlobCid, DigestKey, Height } from '../model/index.ts'
import type { KeyValueOperation, KeyValueSpace } from '../store/key-value.ts'
import { heightBytes, heightOfReference, ownerKey, readHeight, referenceKey, referencesOf } from './records.ts'

/**
 * Who refers to a blob: the only height that does, `several` when more than one did (each then has a record of its own), `undefined` when
 * none does.
 *
 * Nearly every blob is of one height, and that height is the value of one record: so thousands are answered by one read of exact keys.
 * A record for each height, as at first, needs an iterator for each blob, which takes some twenty times as long.
 */
export type Owner = Height | 'several' | undefined

/** Ranges of different blobs looked at at a time: each is a seek on a thread of the pool, which has four. */
const LOOKUPS = 16

/** In the order of the blobs, by one read. */
export async function ownersOf(space: KeyValueSpace, cids: readonly BlobCid[]): Promise<Owner[]> {
  const values = await space.getMany(cids.map(ownerKey))
  return values.map((value) => (value === undefined ? undefined : value.length === 0 ? 'several' : readHeight(value)))
}

/** The latest height that refers to the blob. */
export async function latestOf(space: KeyValueSpace, cid: BlobCid): Promise<Height | undefined> {
  const [owner] = await ownersOf(space, [cid])
  if (owner !== 'several') return owner
  const last = { ...referencesOf(cid), reverse: true, limit: 1 }
  for await (const [key] of space.entries(last)) return heightOfReference(key)
  return undefined
}

/** Which of the blobs have a reference in the range that is theirs, by reading the ranges. */
export async function haveReferences(
  space: KeyValueSpace,
  cids: readonly BlobCid[],
  rangeOf: (cid: BlobCid) => { readonly gte: Uint8Array; readonly lt: Uint8Array }
): Promise<Set<DigestKey>> {
  const have = new Set<DigestKey>()
  for (let at = 0; at < cids.length; at += LOOKUPS) {
    const some = cids.slice(at, at + LOOKUPS)
    await Promise.all(
      some.map(async (cid) => {
        for await (const entry of space.entries({ ...rangeOf(cid), limit: 1 })) if (entry.length > 0) have.add(cid.key)
      })
    )
  }
  return have
}

/** The operations of one batch that change owners, in order: each sees what those before it change. */
export class OwnerChanges {
  readonly operations: KeyValueOperation[] = []
  readonly #owners: Map<DigestKey, Owner>

  private constructor(owners: Map<DigestKey, Owner>) {
    this.#owners = owners
  }

  /** For changes to these blobs. */
  static async of(space: KeyValueSpace, cids: readonly BlobCid[]): Promise<OwnerChanges> {
    const unique = [...new Map(cids.map((cid) => [cid.key, cid])).values()]
    const owners = await ownersOf(space, unique)
    return new OwnerChanges(new Map(unique.map(({ key }, at) => [key, owners[at]])))
  }

  /** The height refers to the blob from here on. */
  add(cid: BlobCid, height: Height): void {
    const owner = this.#owners.get(cid.key)
    if (owner === height) return
    if (owner === undefined) {
      this.#put(ownerKey(cid), heightBytes(height))
      this.#owners.set(cid.key, height)
      return
    }
    if (owner !== 'several') {
      this.#put(referenceKey(cid, owner))
      this.#put(ownerKey(cid))
      this.#owners.set(cid.key, 'several')
    }
    this.#put(referenceKey(cid, height))
  }

  /** The height refers to the blob no more. */
  remove(cid: BlobCid, height: Height): void {
    const owner = this.#owners.get(cid.key)
    if (owner === 'several') this.operations.push({ type: 'del', key: referenceKey(cid, height) })
    if (owner !== height) return
    this.operations.push({ type: 'del', key: ownerKey(cid) })
    this.#owners.set(cid.key, undefined)
  }

  #put(key: Uint8Array, value: Uint8Array = NOTHING): void {
    this.operations.push({ type: 'put', key, value })
  }
}

const NOTHING = new Uint8Array(0)
