/** Requests of a given size, each aimed at one limit of a node. */
import { randomBytes } from 'node:crypto'
import { get, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { encodeControl, encodeWantBlock } from '../../exchange/index.ts'
import { BlobCid } from '../../model/index.ts'
import { concatBytes, sleep, varintLength, writeVarint } from '../../util/index.ts'
import { PROTOCOL, type Stream } from './attack.ts'
import type { Attempt } from './bisect.ts'
import type { Catalogue } from './blobs.ts'
import type { LoadPeer } from './load-peer.ts'
import type { Stage } from './stage.ts'

export interface Probe {
  readonly name: string
  /** What is counted. */
  readonly unit: string
  readonly low: number
  readonly high: number
  attempt(value: number): Promise<Attempt>
}

/** How long a stream is looked at before it counts as taken, and a blob waited for. */
const TAKEN_MS = 1_000
const BLOB_MS = 5_000
/** Between two attempts, so that buckets that limit rates fill up. */
const PAUSE_MS = 100

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
  const { client, target, signal, catalogue, clock } = stage.parts
  const take = smallBlobs(catalogue)
  const base = (): string => `http://${target.apiAddress}`
  const height = (): number => catalogue.heightAt(0) ?? 0
  const read = async (url: string, headers?: Record<string, string>): Promise<Attempt> => {
    await sleep(clock, PAUSE_MS, signal)
    const outcome = await client.read(url, { signal, ...(headers === undefined ? {} : { headers }) })
    return outcome.kind === 'ok' ? OK : outcome
  }
  const path = (): string => `/v1/execution-data/${height()}?format=json&pad=`
  return [
    {
      ...{ name: 'request target', unit: 'characters', low: 200, high: 8_000 },
      attempt: (value) => read(`${base()}${path()}${'a'.repeat(Math.max(0, value - path().length))}`)
    },
    {
      ...{ name: 'request headers', unit: 'bytes', low: 200, high: 32_000 },
      attempt: (value) => read(`${base()}${path()}`, { 'x-pad': 'a'.repeat(value) })
    },
    {
      ...{ name: 'blocks streamed at one time', unit: 'streams', low: 1, high: 64 },
      attempt: (value) => streams(stage, `${base()}/v1/execution-data/${at.large}?format=car`, value)
    },
    {
      ...{ name: 'connections of the API', unit: 'connections', low: 1, high: 512 },
      attempt: (value) => connections(stage, value)
    },
    {
      ...{ name: 'entries of a want-list', unit: 'entries', low: 1, high: 4_096 },
      attempt: (value) => entries(stage, { peer: at.peer, take }, value)
    },
    ...(at.spare.length === 0 ? [] : [messages(stage, at.spare)])
  ]
}

/** Readers that begin and do not go on. */
async function streams({ parts }: Stage, url: string, count: number): Promise<Attempt> {
  const { clock, signal } = parts
  const begun = await Promise.allSettled(
    Array.from(
      { length: count },
      () =>
        new Promise<IncomingMessage>((resolve, reject) => {
          get(url, { agent: false, signal }, resolve).on('error', reject)
        })
    )
  )
  const open = begun.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const refused = open.find(({ statusCode }) => statusCode !== 200)
  for (const response of open) response.destroy()
  await sleep(clock, PAUSE_MS * 3, signal)
  if (refused !== undefined) return { kind: 'rejected', by: `http-${refused.statusCode}` }
  return open.length === count ? OK : { kind: 'failed', by: 'connection-broken' }
}

/** So many connections stay open; the last one asks for something. */
async function connections({ parts }: Stage, count: number): Promise<Attempt> {
  const { clock, target, signal } = parts
  const [host = '', port = ''] = (target.apiAddress ?? '').split(/:(?=\d+$)/)
  const sockets: Socket[] = []
  try {
    for (let at = 0; at < count; at += 1) {
      const socket = connect({ host, port: Number(port) })
      sockets.push(socket)
      socket.on('error', () => socket.destroy())
      await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
    }
    const last = sockets.at(-1)
    if (last === undefined) return OK
    last.write(`GET /v1/blobs/none HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const answered = await new Promise<boolean>((resolve) => {
      last.once('data', () => resolve(true)).once('close', () => resolve(false))
      if (last.destroyed) resolve(false)
    })
    return answered ? OK : { kind: 'rejected', by: 'closed-at-once' }
  } finally {
    for (const socket of sockets) socket.destroy()
    await sleep(clock, PAUSE_MS * 3, signal)
  }
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

/** A message that says how long it is, and goes no further. Who says too much is disconnected. */
function messages({ parts }: Stage, spare: readonly LoadPeer[]): Probe {
  const { clock, signal } = parts
  const left = [...spare]
  return {
    ...{ name: 'length of a message', unit: 'KiB', low: 1, high: 65_536 },
    async attempt(kibibytes) {
      const length = kibibytes * 1_024
      const { peer, stream } = (await firstOpen(left)) ?? {}
      if (peer === undefined || stream === undefined) return { kind: 'failed', by: 'not-connected' }
      const head = new Uint8Array(varintLength(length))
      writeVarint(head, 0, length)
      stream.send(concatBytes([head, Uint8Array.of(0x0a)]))
      const until = clock.now() + TAKEN_MS
      while (stream.status === 'open' && clock.now() < until) await sleep(clock, 10, signal)
      const taken = stream.status === 'open'
      stream.abort(new Error('probed'))
      if (taken) return OK
      left.shift()
      return { kind: 'rejected', by: peer.isConnectedTo(peer.asks) ? 'stream-reset' : 'disconnected' }
    }
  }
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
