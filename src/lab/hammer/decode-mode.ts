import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { defaultExecutionDataOptions, openBlock } from '../../execution-data/index.ts'
import { type Blob, type BlobCid, type DigestKey, parseExecutionDataId } from '../../model/index.ts'
import { LabError } from '../errors.ts'
import { type LoadPeer } from './load-peer.ts'
import { counted, fetchBlob } from './load.ts'
import type { Stage } from './stage.ts'
import type { Tally } from './tally.ts'
import type { Mode } from './mode.ts'

const MIB = 1_048_576
/** Content held decoded by the driver: of it all takes some times its length. */
const MOST_DECODED_BYTES = 64 * MIB

/** Everything that the driver's JavaScript holds, bytes, after a collection. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Blobs of one block, root first, as the target gives them. */
async function blobsOf(stage: Stage, peer: LoadPeer, cids: readonly BlobCid[]): Promise<Map<DigestKey, Blob>> {
  const session = peer.session('cold')
  const blobs = await Promise.all(cids.map((cid) => session.fetch(cid, { signal: stage.parts.signal })))
  return new Map(blobs.map((blob) => [blob.cid.key, blob]))
}

/** The same content decoded into objects, in this process: what it takes there. */
async function decoded(stage: Stage, peer: LoadPeer, tally: Tally) {
  const { catalogue, clock } = stage.parts
  const held: unknown[] = []
  const before = heldBytes()
  let bytes = 0
  for (const block of catalogue.blocks) {
    if (bytes >= MOST_DECODED_BYTES || stage.parts.signal.aborted) break
    const startedAt = clock.now()
    const blobs = await blobsOf(
      stage,
      peer,
      block.map(({ cid }) => cid)
    )
    const executionDataId = parseExecutionDataId(block[0]?.cid.toExecutionDataId())
    if (executionDataId === undefined) throw new LabError('bad-answer', 'a block without a root')
    const source = {
      get: async (cid: BlobCid) => blobs.get(cid.key),
      getSize: async (cid: BlobCid) => blobs.get(cid.key)?.bytes.length
    }
    const { chunks } = await openBlock(source, defaultExecutionDataOptions, { executionDataId })
    for await (const chunk of chunks) held.push(chunk)
    const size = block.reduce((sum, blob) => sum + blob.size, 0)
    bytes += size
    tally.add({ kind: 'ok', bytes: size }, clock.now() - startedAt)
  }
  const rise = heldBytes() - before
  return {
    contentBytes: bytes,
    heldBytes: rise,
    bytesPerContentMiB: Math.round(rise / (bytes / MIB)),
    chunks: held.length
  }
}

/** All of the content paged from the target's disk, again and again: what that takes in the target. */
async function paged(stage: Stage, tally: Tally) {
  const { catalogue, watch, peers, signal, parts } = { ...stage.parts, parts: stage.parts }
  const before = watch.recent(3_000)
  await watch.markPeak()
  const all = catalogue.blocks.flat()
  let next = 0
  const worker = (peer: LoadPeer) => async (): Promise<void> => {
    for (let blob = all[next++]; blob !== undefined && !signal.aborted; blob = all[next++]) {
      const wanted = blob
      await counted(parts, { tally, signal }, () => fetchBlob(parts, peer, { blob: wanted, signal }))
    }
  }
  await Promise.all(peers.flatMap((peer) => [worker(peer)(), worker(peer)(), worker(peer)(), worker(peer)()]))
  const rise = Math.max(0, (await watch.peakSince()) - (before?.rssBytes ?? 0))
  return {
    contentBytes: catalogue.bytes,
    rssRiseBytes: rise,
    bytesPerContentMiB: Math.round(rise / (catalogue.bytes / MIB))
  }
}

/** The same content paged from disk in the target, and held decoded in memory, side by side. */
export const decode: Mode = {
  peers: () => ({ peers: 1, slow: 0 }),
  recovers: true,
  async prepare(stage) {
    await stage.fill(stage.parts.sizeBytes, {})
  },
  async run(stage) {
    const [peer] = stage.parts.peers
    if (peer === undefined) throw new LabError('bad-option', 'a peer is needed that reads')
    await stage.phase('paged', (tally) => paged(stage, tally))
    await stage.phase('decoded', (tally) => decoded(stage, peer, tally))
  }
}
