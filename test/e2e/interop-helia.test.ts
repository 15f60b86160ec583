// Helia's bitswap (@helia/bitswap on js-libp2p) and ours, each in a process of its own. Helia knows neither P-256 identities nor a protocol
// prefix, so ours stands here as an access node's public host does: a secp256k1 key, whoever dials is let in, and bitswap without a prefix.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { boxoIsNear, type Contender, isLeftOut, type LeftOut, prepare } from '#test/perf/harness/contender.ts'
import { PeerProcess } from '#test/perf/harness/peer-process.ts'
import type { ListenOutput, StatsOutput, WantOutput } from '#test/perf/peers/commands.ts'
import { testBytes } from '#test/perf/peers/test-blobs.ts'

const MIB = 1_048_576
/** What waits for something that never comes fails after this. */
const LIMIT = { timeout: 90_000 }
/** Helia goes through all its wants for every block: it has no more than this open at a time. */
const HELIA_WANTS = 64

type Security = 'tls' | 'noise'

interface Peer {
  readonly process: PeerProcess
  readonly name: string
  readonly peerId: string
}

/** Every peer is connected to every other, but ours not to ours: a public host dials nobody. */
async function start(contenders: readonly Contender[], security: Security): Promise<Peer[]> {
  const processes = contenders.map((contender) => new PeerProcess(contender.launch({ core: undefined, nodeFlags: [] })))
  const listening = await Promise.all(
    processes.map((process) => process.call<ListenOutput>('listen', { security, channel: 'plain' }))
  )
  const isOurs = (at: number): boolean => contenders[at]?.name === 'sealsync'
  await Promise.all(
    processes.map((process, at) =>
      process.call('connect', { nodes: listening.filter((_, other) => other === at || !isOurs(at) || !isOurs(other)) })
    )
  )
  return processes.map((process, at) => ({
    process,
    name: contenders[at]?.name ?? '',
    peerId: listening[at]?.peerId ?? ''
  }))
}

const stop = async (peers: readonly Peer[]): Promise<void> => {
  await Promise.all(peers.map((peer) => peer.process.stop()))
}

const put = async (peer: Peer, from: number, count: number, size: number): Promise<string[]> =>
  (await peer.process.call<{ cids: string[] }>('put', { from, count, size })).cids

const make = async (peer: Peer, from: number, count: number, size: number): Promise<void> => {
  await peer.process.call('announce', { cids: await put(peer, from, count, size) })
}

/** Of blobs that nobody has yet. */
const digestsOf = (from: number, count: number, size: number): string[] =>
  Array.from({ length: count }, (_, at) =>
    createHash('sha256')
      .update(testBytes(from + at, size))
      .digest('hex')
  )

const begin = (asker: Peer, cids: readonly string[]): { readonly id: number; readonly out: Promise<WantOutput> } =>
  asker.process.begin<WantOutput>('want', {
    cids,
    hot: true,
    session: 'one',
    inFlight: asker.name === 'helia' ? HELIA_WANTS : undefined
  })

const stats = (peer: Peer): Promise<StatsOutput & { readonly liveWants: number }> => peer.process.call('stats')

const held = async (peer: Peer, cids: readonly string[]): Promise<number> =>
  (await peer.process.call<{ held: number }>('held', { cids })).held

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** Begins a want and ends when the holder has been told of it. */
async function registered(asker: Peer, holder: Peer, cids: readonly string[]): Promise<ReturnType<typeof begin>> {
  const { messages } = await stats(holder)
  const want = begin(asker, cids)
  await until(async () => (await stats(holder)).messages.received > messages.received)
  return want
}

const installed = existsSync(new URL('../interop/helia-peer/node_modules/@helia/bitswap', import.meta.url))
const isBuild = process.env['SEALSYNC_INTEROP'] === 'build'
const absent = 'getting it needs downloads: npm run test:interop'
const helia = isBuild || installed ? await prepare('helia') : { name: 'helia', reason: absent }
const boxo = isBuild || (await boxoIsNear()) ? await prepare('boxo') : { name: 'boxo', reason: absent }
const ours = await prepare('sealsync')

if (isLeftOut(helia) || isLeftOut(ours)) {
  test(`left out: Helia's peer cannot be had here (${isLeftOut(helia) ? helia.reason : ''})`, () => {})
} else {
  for (const security of ['tls', 'noise'] as const) {
    describe(`Helia over ${security}`, () => suite(security, { ours, helia, boxo }))
  }
}

interface Contenders {
  readonly ours: Contender
  readonly helia: Contender
  readonly boxo: Contender | LeftOut
}

function suite(security: Security, contenders: Contenders): void {
  let peers: readonly Peer[] = []
  before(async () => {
    peers = await start([contenders.ours, contenders.helia], security)
  })
  after(() => stop(peers))
  const sides = (asker: 'ours' | 'helia'): { holder: Peer; asker: Peer } => {
    const [node, other] = peers
    assert.ok(node !== undefined && other !== undefined)
    return asker === 'ours' ? { holder: other, asker: node } : { holder: node, asker: other }
  }

  for (const [name, asker, base] of [
    ['Helia fetches from us', 'helia', 1_000],
    ['we fetch from Helia', 'ours', 50_000]
  ] as const) {
    test(`${name}: blocks of 1 MiB and 2 MiB, and 1,000 small ones`, LIMIT, () => sizes(sides(asker), base))
    test(`${name}: wants that were there before the blocks`, LIMIT, () => early(sides(asker), base + 5_000))
  }
  test('we fetch from Helia: a cancelled want is not served', LIMIT, () => cancelled(sides('ours'), 60_000))
  test(
    'Helia fetches from us: it sends no cancel, so a want that it gave up is served once, and nothing else',
    LIMIT,
    () => neverCancelled(sides('helia'), 70_000)
  )
  for (const [name, asker, base] of [
    ['Helia fetches from us', 'helia', 80_000],
    ['we fetch from Helia', 'ours', 90_000]
  ] as const) {
    test(`${name}: a connection that breaks off is made again, and what was wanted comes`, LIMIT, () =>
      reconnected(sides(asker), base)
    )
  }
  herd(security, contenders)
}

interface Sides {
  readonly holder: Peer
  readonly asker: Peer
}

async function sizes({ holder, asker }: Sides, base: number): Promise<void> {
  const cids = [
    ...(await put(holder, base, 4, MIB)),
    ...(await put(holder, base + 10, 2, 2 * MIB)),
    ...(await put(holder, base + 1_000, 1_000, 2_000))
  ]
  await begin(asker, cids).out
  assert.equal(await held(asker, cids), cids.length)
}

async function early({ holder, asker }: Sides, base: number): Promise<void> {
  const cids = [...digestsOf(base, 1, MIB), ...digestsOf(base + 10, 20, 2_000)]
  const { blobs } = await stats(holder)
  const want = await registered(asker, holder, cids)
  assert.equal((await stats(asker)).liveWants, cids.length)
  await make(holder, base, 1, MIB)
  await make(holder, base + 10, 20, 2_000)
  await want.out
  assert.equal(await held(asker, cids), cids.length)
  assert.equal((await stats(holder)).blobs.sent, blobs.sent + cids.length)
}

/** Gives a want up; then gets two others that are served after it, so that nothing about it is still under way. */
async function giveUp({ holder, asker }: Sides, base: number): Promise<string> {
  const [dropped = '', kept = '', last = ''] = digestsOf(base, 3, 50_000)
  const want = await registered(asker, holder, [dropped])
  const failed = assert.rejects(want.out)
  await asker.process.call('cancel', { want: want.id })
  await failed
  const later = await registered(asker, holder, [kept])
  await make(holder, base + 1, 1, 50_000)
  await later.out
  await make(holder, base, 1, 50_000)
  await make(holder, base + 2, 1, 50_000)
  await begin(asker, [last]).out
  return dropped
}

async function cancelled(sides: Sides, base: number): Promise<void> {
  const { blobs } = await stats(sides.holder)
  const dropped = await giveUp(sides, base)
  assert.equal(await held(sides.asker, [dropped]), 0)
  assert.equal((await stats(sides.holder)).blobs.sent, blobs.sent + 2)
}

/**
 * @helia/bitswap 4.0.19 leaves out of its messages every entry that is to be cancelled (`sendMessages` in its want-list.ts): whoever it asked
 * keeps the want, and sends the block when it comes, which Helia then throws away. Should this fail, Helia sends cancels: expect what `cancelled`
 * expects.
 */
async function neverCancelled(sides: Sides, base: number): Promise<void> {
  const [holder, asker] = await Promise.all([stats(sides.holder), stats(sides.asker)])
  const dropped = await giveUp(sides, base)
  await until(async () => (await stats(sides.asker)).blobs.received === asker.blobs.received + 3)
  const now = await stats(sides.asker)
  assert.equal(now.wants?.cancelled, 0)
  assert.equal(now.blobs.duplicate, asker.blobs.duplicate + 1)
  assert.equal(await held(sides.asker, [dropped]), 0)
  assert.equal((await stats(sides.holder)).blobs.sent, holder.blobs.sent + 3)
}

/** Some blobs are there, one is made when the connection has broken: the want outlives it. */
async function reconnected({ holder, asker }: Sides, base: number): Promise<void> {
  const cids = [...(await put(holder, base, 40, MIB / 2)), ...digestsOf(base + 100, 1, MIB)]
  const want = await registered(asker, holder, cids)
  const node = holder.name === 'sealsync' ? holder : asker
  const { cut } = await node.process.call<{ cut: number }>('cut')
  assert.equal(cut, 1)
  await make(holder, base + 100, 1, MIB)
  await want.out
  assert.equal(await held(asker, cids), cids.length)
}

/** Two of each; what ours have of each other has gone through the others, for they are not connected. */
function herd(security: Security, contenders: Contenders): void {
  const kinds = [contenders.ours, contenders.helia, contenders.boxo]
  const there = kinds.filter((kind): kind is Contender => !isLeftOut(kind))
  const without = isLeftOut(contenders.boxo) ? ` (left out: Go's, ${contenders.boxo.reason})` : ''
  test(
    `a mixed herd of ${there.map(({ name }) => name).join(', ')}: everybody gets everything, bit for bit${without}`,
    LIMIT,
    async () => {
      const peers = await start([...there, ...there], security)
      try {
        const [count, size] = [6, 200_000]
        const made = peers.map((_, at) => digestsOf(200_000 + at * 100, count, size))
        const all = made.flat()
        const wants = peers.map(
          (peer, at) =>
            begin(
              peer,
              all.filter((cid) => made[at]?.includes(cid) !== true)
            ).out
        )
        for (const [at, peer] of peers.entries()) await make(peer, 200_000 + at * 100, count, size)
        await Promise.all(wants)
        const expected = createHash('sha256')
        for (const at of peers.keys())
          for (let seed = 0; seed < count; seed += 1) expected.update(testBytes(200_000 + at * 100 + seed, size))
        const sha256 = expected.digest('hex')
        for (const peer of peers) assert.deepEqual(await peer.process.call('sum', { cids: all }), { sha256 }, peer.name)
      } finally {
        await stop(peers)
      }
    }
  )
}
