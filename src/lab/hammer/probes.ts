/** Messages of a given size, each aimed at one limit of a node's exchange; `api-probes.ts` has those of its HTTP interface. */
import { randomBytes } from 'node:crypto'
import { encodeControl, encodeWantBlock } from '../../exchange/index.ts'
import { BlobCid } from '../../model/index.ts'
import { concatBytes, sleep, varintLength, writeVarint } from '../../util/index.ts'
import { PROTOCOL, type Stream } from './attack.ts'
import { apiProbesOf } from './api-probes.ts'
import type { Attempt, Probe } from './bisect.ts'
import type { Catalogue } from './blobs.ts'
import type { LoadPeer } from './load-peer.ts'
import type { Stage } from './stage.ts'

/** How long a stream is looked at before it counts as taken, and a blob waited for. */
const TAKEN_MS = 1_000
const BLOB_MS = 5_000
const KIB = 1_024

const OK: Attempt = { kind: 'ok' }

export interface ProbePlace {
  readonly peer: LoadPeer
  /** Peers that may be cut off: a fault that costs a connection keeps its peer out for a minute. */
  readonly spare: readonly LoadPeer[]
  /** Height of a block of many MiB. */
  readonly large: number
}

/** All that can be found out about a target with its HTTP interface and staked peers. */
export function probesOf(stage: Stage, at: ProbePlace): Probe[] {
  const take = smallBlobs(stage.parts.catalogue)
  return [
    ...apiProbesOf(stage, at),
    {
      ...{ name: 'entries of a want-list', unit: 'entries', low: 1, high: 4_096 },
      attempt: (value) => entries(stage, { peer: at.peer, take }, value)
    },
    ...(at.spare.length === 0 ? [] : lengths(stage, at.spare))
  ]
}

async function open(peer: LoadPeer): Promise<Stream | undefined> {
  const connection = peer.host.connectionTo(peer.asks)
  return connection?.newStream(PROTOCOL).catch(() => undefined)
}

/**
 * A list of blobs that nobody has, and behind them one that is there: it comes when the whole list was read. A second list asks for
 * another, so that it shows when the first one has been dealt with.
 */
async function entries(
  { parts }: Stage,
  { peer, take }: { readonly peer: LoadPeer; readonly take: () => (BlobCid | undefined)[] },
  count: number
): Promise<Attempt> {
  const { clock, signal } = parts
  const [last, next] = take()
  const stream = await open(peer)
  if (last === undefined || next === undefined || stream === undefined) return { kind: 'failed', by: 'not-connected' }
  const received = (): number => peer.exchange.status().blobs.received
  const before = received()
  const strangers = Array.from({ length: count - 1 }, () => BlobCid.fromDigest(randomBytes(32)))
  const list = (cids: readonly BlobCid[]): Uint8Array =>
    encodeControl(
      cids.map((cid) => encodeWantBlock(cid.toBytes())),
      []
    )
  stream.send(list([...strangers, last]))
  stream.send(list([next]))
  const until = clock.now() + BLOB_MS
  try {
    let settled: number | undefined
    while (clock.now() < until && (settled === undefined || clock.now() < settled)) {
      if (received() >= before + 2) return OK
      if (received() > before) settled ??= clock.now() + TAKEN_MS
      await sleep(clock, 10, signal)
    }
    return stillConnected(peer, settled === undefined ? 'no-answer' : 'entries-left-out')
  } finally {
    stream.abort(new Error('probed'))
  }
}

/**
 * Two small blobs that were not asked for just before, since a want that is repeated at once is taken for one that crossed its answer; small,
 * so that what comes unasked stays far below what is put up with.
 */
function smallBlobs(catalogue: Catalogue): () => (BlobCid | undefined)[] {
  let at = 0
  const next = (): BlobCid | undefined => {
    at += 1
    return catalogue.blocks[at % catalogue.blocks.length]?.toSorted((a, b) => a.size - b.size)[0]?.cid
  }
  return () => [next(), next()]
}

/** A message or a block that says how long it is, and goes no further. Who says too much is disconnected. */
function lengths({ parts }: Stage, spare: readonly LoadPeer[]): Probe[] {
  const { clock, signal } = parts
  const left = [...spare]
  const attempt = async (head: Uint8Array): Promise<Attempt> => {
    const { peer, stream } = (await firstOpen(left)) ?? {}
    if (peer === undefined || stream === undefined) return { kind: 'failed', by: 'not-connected' }
    stream.send(head)
    const until = clock.now() + TAKEN_MS
    while (stream.status === 'open' && clock.now() < until) await sleep(clock, 10, signal)
    const taken = stream.status === 'open'
    stream.abort(new Error('probed'))
    if (taken) return OK
    left.shift()
    const by = peer.isConnectedTo(peer.asks) ? 'stream-reset' : 'disconnected'
    // Or it would come again every second, and be shut out each time.
    await peer.stop()
    return { kind: 'rejected', by }
  }
  return [
    {
      ...{ name: 'length of a message', unit: 'KiB', low: 1, high: 8_192 },
      attempt: (kibibytes) => attempt(concatBytes([varint(kibibytes * KIB), Uint8Array.of(0x0a)]))
    },
    {
      // In the field of blocks, of a message that is as long as it has to be.
      ...{ name: 'length of a block', unit: 'KiB', low: 1, high: 3_072 },
      attempt: (kibibytes) => {
        const block = concatBytes([Uint8Array.of(0x12), varint(kibibytes * KIB)])
        return attempt(concatBytes([varint(block.length + kibibytes * KIB), block]))
      }
    }
  ]
}

function varint(value: number): Uint8Array {
  const bytes = new Uint8Array(varintLength(value))
  writeVarint(bytes, 0, value)
  return bytes
}

/** A stream of the first peer that can open one; those before it go from the list. */
async function firstOpen(peers: LoadPeer[]): Promise<{ readonly peer: LoadPeer; readonly stream: Stream } | undefined> {
  for (let [peer] = peers; peer !== undefined; [peer] = peers) {
    const stream = await open(peer)
    if (stream !== undefined) return { peer, stream }
    peers.shift()
  }
  return undefined
}

/** A refusal of words is clean when the connection stands. */
const stillConnected = (peer: LoadPeer, by: string): Attempt =>
  peer.isConnectedTo(peer.asks) ? { kind: 'rejected', by } : { kind: 'failed', by: 'disconnected' }
