// A bitswap peer on @helia/bitswap, driven by JSON lines like the others (test/perf/peers/README.md). Its packages lie in a folder
// of their own and are installed when a benchmark asks for them; Ed25519 identities, since stock js-libp2p has no P-256.
import { createHash } from 'node:crypto'
import { monotonicMs, serveLines } from '../../perf/peers/line-protocol.ts'
import { testBytes } from '../../perf/peers/test-blobs.ts'
import { dialHigher, load, startHost } from './host.mjs'

const { tls } = await load('@libp2p/tls')
const { noise } = await load('@libp2p/noise')
const { MemoryBlockstore } = await load('blockstore-core')
const { CID } = await load('multiformats/cid')
const { sha256 } = await load('multiformats/hashes/sha2')
const { create: createDigest } = await load('multiformats/hashes/digest')
// The package gives out no constructor, only a mixin for a whole Helia node; the exchange itself is what is measured.
const { Bitswap } = await load('@helia/bitswap', './bitswap.js')

const PROTOCOL = '/ipfs/bitswap/1.2.0'
const CONNECT_LIMIT_MS = 60_000

const payload = { received: 0, useful: 0, duplicate: 0, partial: 0, sent: 0 }
const blobs = { received: 0, duplicate: 0, sent: 0 }
const messages = { received: 0, sent: 0 }
const wanted = new Set()
const store = new MemoryBlockstore()
const order = []
let keep = Number.POSITIVE_INFINITY
let libp2p
let bitswap
let opened = 0
let wantsSent = 0
let cancelsSent = 0

const cidOf = (digest) => CID.createV0(createDigest(sha256.code, digest))
const parse = (hex) => cidOf(Buffer.from(hex, 'hex'))
const digestOf = (cid) => Buffer.from(cid.multihash.digest).toString('hex')

async function keepBlob(cid, bytes) {
  if (keep === 0) return
  await store.put(cid, bytes)
  if (keep === Number.POSITIVE_INFINITY) return
  order.push(cid)
  if (order.length > keep) await store.delete(order.shift())
}

/** Told of every block that is read, before anybody asks whether it is wanted (any more): if not, it is a duplicate. */
function count({ detail: { cid, block } }) {
  payload.received += block.length
  blobs.received += 1
  if (wanted.delete(digestOf(cid))) payload.useful += block.length
  else {
    payload.duplicate += block.length
    blobs.duplicate += 1
  }
}

async function listen({ security, keep: most }) {
  keep = most ?? Number.POSITIVE_INFINITY
  const host = await startHost(security === 'noise' ? noise : tls, { connectionMonitor: { enabled: false } })
  libp2p = host.libp2p
  const routing = { async *findProviders() {} }
  bitswap = new Bitswap({ libp2p, blockstore: store, routing, logger: silentLogger, getHasher: () => sha256 })
  bitswap.network.addEventListener('bitswap:message', () => {
    messages.received += 1
  })
  bitswap.wantList.addEventListener('block', count)
  const send = bitswap.network.sendMessage.bind(bitswap.network)
  bitswap.network.sendMessage = (peer, message, options) => {
    for (const { wantType, cancel } of message.wantlist.values()) {
      if (cancel === true) cancelsSent += 1
      else if (wantType !== 'WantHave') wantsSent += 1
    }
    return send(peer, message, options)
  }
  const sent = bitswap.network._updateSentStats.bind(bitswap.network)
  bitswap.network._updateSentStats = (blocks) => {
    messages.sent += 1
    for (const { data } of blocks.values()) {
      payload.sent += data.length
      blobs.sent += 1
    }
    sent(blocks)
  }
  await bitswap.start()
  const dial = libp2p.dialProtocol.bind(libp2p)
  libp2p.dialProtocol = (...args) => {
    opened += 1
    return dial(...args)
  }
  return host.listening
}

const silent = Object.assign(() => {}, { error() {}, trace() {}, enabled: false, newScope: () => silent })
const silentLogger = { forComponent: () => silent }

/** js-libp2p dials again by itself, when the connection is lost, whoever has the tag `keep-alive`. */
async function connect({ nodes }) {
  const others = await dialHigher(libp2p, nodes, (peer, address) =>
    libp2p.peerStore.merge(peer, { multiaddrs: [address], tags: { 'keep-alive': { value: 1 } } })
  )
  const until = monotonicMs() + CONNECT_LIMIT_MS
  for (;;) {
    // The exchange learns of a peer when identify is done.
    const ready = new Set([...bitswap.wantList.peers.keys()].map(String))
    if (others.every(({ peerId }) => ready.has(peerId))) return { connections: others.length }
    if (monotonicMs() > until) throw new Error('not all peers are connected')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

async function put({ from, count: many, size }) {
  const cids = []
  for (let seed = from; seed < from + many; seed += 1) {
    const bytes = testBytes(seed, size)
    const cid = cidOf((await sha256.digest(bytes)).digest)
    await keepBlob(cid, bytes)
    cids.push(digestOf(cid))
  }
  return { cids }
}

async function announce({ cids }) {
  await Promise.all(cids.map((digest) => bitswap.notify(parse(digest))))
  return {}
}

const wants = new Map()

async function want({ cids, inFlight }, id) {
  const startedAt = monotonicMs()
  const controller = new AbortController()
  wants.set(id, controller)
  const storedAt = cids.map(() => 0)
  let next = 0
  const worker = async () => {
    while (next < cids.length) {
      const at = next
      next += 1
      const cid = parse(cids[at])
      wanted.add(cids[at])
      const bytes = await bitswap.want(cid, { signal: controller.signal })
      await keepBlob(cid, bytes)
      await bitswap.notify(cid)
      storedAt[at] = monotonicMs()
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(inFlight ?? cids.length, cids.length) }, worker))
  } finally {
    wants.delete(id)
    // What was given up and comes nonetheless is a duplicate.
    for (const digest of cids) wanted.delete(digest)
  }
  return { startedAt, storedAt }
}

function cancel({ want: id }) {
  wants.get(id)?.abort(new Error('cancelled'))
  return { found: wants.has(id) }
}

async function held({ cids }) {
  const found = await Promise.all(cids.map((digest) => store.has(parse(digest))))
  return { held: found.filter(Boolean).length }
}

/** SHA-256 of the stored bytes, one blob after the other. */
async function sum({ cids }) {
  const hash = createHash('sha256')
  for (const digest of cids) for await (const bytes of store.get(parse(digest))) hash.update(bytes)
  return { sha256: hash.digest('hex') }
}

function stats() {
  const perPeer = libp2p
    .getConnections()
    .map(({ streams }) => streams.filter(({ protocol }) => protocol === PROTOCOL).length)
  return {
    payloadBytes: payload,
    blobs,
    wants: { sent: wantsSent, cancelled: cancelsSent },
    messages,
    liveWants: bitswap.getWantlist().length,
    streams: {
      opened,
      open: perPeer.reduce((sum, one) => sum + one, 0),
      openPerPeer: Math.max(0, ...perPeer)
    }
  }
}

await serveLines({ listen, connect, put, announce, want, cancel, held, sum, stats }, async () => {
  await bitswap?.stop()
  await libp2p?.stop()
})
