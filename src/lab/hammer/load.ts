/** The requests that loads are made of. Each is a loop that ends with its signal; what comes of a request goes into a tally. */
import type { DigestKey } from '../../model/index.ts'
import { type Clock, type Rng, sleep } from '../../util/index.ts'
import type { ApiClient } from './api-client.ts'
import type { Catalogue, KnownBlob } from './blobs.ts'
import type { LoadPeer } from './load-peer.ts'
import { nameOf, type Outcome, type Tally } from './tally.ts'
import type { Target } from './target.ts'

/** A blob that does not come in this time has failed: by then every clock of the exchange has run out. */
const FETCH_LIMIT_MS = 30_000
/** A client that was refused comes again after so long. */
const REFUSED_PAUSE_MS = 100
/** And one whose target does not answer at all. */
const DOWN_PAUSE_MS = 250

export interface LoadParts {
  readonly clock: Clock
  readonly rng: Rng
  readonly target: Pick<Target, 'peerId' | 'apiAddress'>
  readonly catalogue: Catalogue
}

/** Gets a blob from the target over the exchange. */
export async function fetchBlob(
  parts: Pick<LoadParts, 'clock' | 'target'>,
  peer: LoadPeer,
  { blob, signal, temperature = 'cold' }: { blob: KnownBlob; signal: AbortSignal; temperature?: 'hot' | 'cold' }
): Promise<Outcome> {
  if (!peer.isConnectedTo(parts.target.peerId)) return { kind: 'failed', by: 'not-connected' }
  const late = new AbortController()
  const timer = parts.clock.setTimer(FETCH_LIMIT_MS, () => late.abort(new Error('late')))
  try {
    const session = peer.session(temperature)
    const bytes = await session.fetchInto(blob.cid, {
      signal: AbortSignal.any([signal, late.signal]),
      take: (taken) => taken.bytes.length
    })
    return { kind: 'ok', bytes }
  } catch (error) {
    if (late.signal.aborted) return { kind: 'failed', by: 'no-answer' }
    throw error
  } finally {
    timer.cancel()
  }
}

/** Steps by it come to every part of a range, and to none twice in a row of any length. */
const GOLDEN = (Math.sqrt(5) - 1) / 2

/**
 * Shares of a range in an order without repetitions close to one another: a node does not ask again for what it has just got, and
 * whoever does is taken for one whose want crossed its block.
 */
export function walkFrom(start: number): () => number {
  let at = start
  return () => {
    at = (at + GOLDEN) % 1
    return at
  }
}

/** A node that sends a peer the same blob again within a minute counts it as waste, and refuses what goes beyond a small rate. */
const NOT_AGAIN_MS = 65_000
/** Places that are looked at for a blob that is due. */
const LOOKS = 16

/** The way of one peer through the store: it comes back to no blob as long as the target would take that for waste. */
export class Paging {
  readonly #walk: () => number
  readonly #readAt = new Map<DigestKey, number>()

  constructor(walk: () => number) {
    this.#walk = walk
  }

  /** `undefined` when most of the store has just been read. */
  next(catalogue: Pick<Catalogue, 'blobAt'>, now: number): KnownBlob | undefined {
    for (const [key, at] of this.#readAt) {
      if (now - at < NOT_AGAIN_MS) break
      this.#readAt.delete(key)
    }
    for (let look = 0; look < LOOKS; look += 1) {
      const blob = catalogue.blobAt(this.#walk())
      if (blob === undefined || this.#readAt.has(blob.cid.key)) continue
      this.#readAt.set(blob.cid.key, now)
      return blob
    }
    return undefined
  }
}

/** A peer that pages blobs in from all over the store, one after the other. */
export async function readBlobs(
  parts: LoadParts,
  peer: LoadPeer,
  use: { readonly tally: Tally; readonly signal: AbortSignal; readonly paging: Paging }
): Promise<void> {
  const { clock, catalogue } = parts
  while (!use.signal.aborted) {
    const blob = use.paging.next(catalogue, clock.now())
    const outcome =
      blob === undefined
        ? undefined
        : await counted(parts, use, () => fetchBlob(parts, peer, { blob, signal: use.signal }))
    if (outcome?.kind !== 'ok') await sleep(clock, DOWN_PAUSE_MS, use.signal).catch(() => undefined)
  }
}

/** Most clients want blocks as CAR files, some want a description, some a blob. */
const SHARES = { car: 0.7, json: 0.85 } as const

function pathOf({ rng, catalogue }: LoadParts): string | undefined {
  const what = rng.next()
  if (what >= SHARES.json) {
    const blob = catalogue.blobAt(rng.next())
    return blob === undefined ? undefined : `/v1/blobs/${blob.cid.toString()}`
  }
  const height = catalogue.heightAt(rng.next())
  return height === undefined ? undefined : `/v1/execution-data/${height}?format=${what < SHARES.car ? 'car' : 'json'}`
}

/** A client of the HTTP interface, one request after the other. */
export async function readApi(
  parts: LoadParts,
  client: ApiClient,
  use: { tally: Tally; signal: AbortSignal }
): Promise<void> {
  const { clock, target } = parts
  while (!use.signal.aborted) {
    const path = pathOf(parts)
    const { apiAddress } = target
    const outcome =
      path === undefined || apiAddress === undefined
        ? undefined
        : await counted(parts, use, () => client.read(`http://${apiAddress}${path}`, { signal: use.signal }))
    const pauseMs = outcome?.kind === 'ok' ? 0 : outcome?.kind === 'rejected' ? REFUSED_PAUSE_MS : DOWN_PAUSE_MS
    if (pauseMs > 0) await sleep(clock, pauseMs, use.signal).catch(() => undefined)
  }
}

/** What the end of the load cut off is no failure of the target's. */
export async function counted(
  { clock }: Pick<LoadParts, 'clock'>,
  { tally, signal }: { readonly tally: Tally; readonly signal: AbortSignal },
  run: () => Promise<Outcome>
): Promise<Outcome> {
  const startedAt = clock.now()
  const outcome = await run().catch((error: unknown): Outcome => ({ kind: 'failed', by: nameOf(error) }))
  if (!(signal.aborted && outcome.kind === 'failed')) tally.add(outcome, clock.now() - startedAt)
  return outcome
}
