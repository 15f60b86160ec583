import { CID_V0 } from '#src/exchange/message/types.ts'
import { encodeBlocks, encodeControl, encodeWantBlock } from '#src/exchange/message/encoder.ts'
import type { ExchangeStream } from '#src/exchange/network/network.ts'
import type { Blob, DigestKey, PeerIdText } from '#src/model/index.ts'
import { ScriptedPeer } from './script.ts'
import { type Sim, simBlob } from './sim.ts'

/**
 * - `mute`: hears and says nothing.
 * - `have`: says HAVE to everything and delivers nothing.
 * - `deny`: says DONT_HAVE to everything.
 * - `half`: begins every block and stops half way.
 * - `dribble`: sends every block in crumbs, too slowly.
 * - `wrong`: sends other blocks than asked for.
 * - `late`: sends what was asked for, seconds later.
 * - `twice`: sends everything twice.
 * - `flood`: sends blocks nobody asked for.
 * - `garbage`: sends bytes that are no message.
 * - `wants`: wants everything, again and again.
 * - `streams`: opens streams and resets them.
 * - `sip`: wants everything there is, and reads now and then.
 */
export const BEHAVIOURS = [
  'mute',
  'have',
  'deny',
  'half',
  'dribble',
  'wrong',
  'late',
  'twice',
  'flood',
  'garbage',
  'wants',
  'streams',
  'sip'
] as const
export type Behaviour = (typeof BEHAVIOURS)[number]

export interface ByzantineUse {
  readonly sim: Sim
  readonly peer: PeerIdText
  readonly behaviour: Behaviour
  readonly blobs: ReadonlyMap<DigestKey, Blob>
  /** Says that it is enough. */
  readonly over: () => boolean
}

/** Lets a stranger of the simulation behave badly towards all. */
export function misbehave(use: ByzantineUse): void {
  const port = use.sim.network.port(use.peer)
  if (port === undefined) return
  if (use.behaviour === 'mute') {
    use.sim.network.silence(use.peer)
    return
  }
  const script = new ScriptedPeer(port)
  answer(script, use)
  disturb(script, use)
}

function answer(script: ScriptedPeer, { sim, behaviour, blobs, over }: ByzantineUse): void {
  let made = 1_000_000
  const withBlob = (run: (peer: PeerIdText, blob: Blob) => void): void => {
    script.onWant = (peer, { key }) => {
      const blob = blobs.get(key)
      if (blob !== undefined) run(peer, blob)
    }
    script.onWantHave = (peer, { key }) => script.say(peer, key, blobs.has(key))
  }
  if (behaviour === 'have') {
    script.onWant = (peer, { key }) => script.say(peer, key, true)
    script.onWantHave = script.onWant
  } else if (behaviour === 'half') withBlob((peer, blob) => script.giveHalf(peer, blob))
  else if (behaviour === 'dribble') withBlob((peer, blob) => dribble(sim, script, { peer, blob }))
  else if (behaviour === 'wrong') {
    withBlob((peer) => {
      made += 1
      script.give(peer, simBlob(made, 40_000))
    })
  } else if (behaviour === 'late') {
    withBlob((peer, blob) => sim.clock.setTimer(500 + sim.rng.next() * 5000, () => script.give(peer, blob)))
  } else if (behaviour === 'twice') {
    withBlob((peer, blob) => {
      script.give(peer, blob)
      script.give(peer, blob)
    })
  } else script.onWant = (peer, { key }) => script.say(peer, key, false)
  if (behaviour === 'sip') script.onStream = (stream) => sip(sim, stream, over)
}

function sip(sim: Sim, stream: ExchangeStream, over: () => boolean): void {
  stream.pause()
  const look = (): void => {
    stream.resume()
    if (over()) return
    stream.pause()
    sim.clock.setTimer(1000 + sim.rng.next() * 4000, look)
  }
  sim.clock.setTimer(1000, look)
}

function dribble(sim: Sim, script: ScriptedPeer, { peer, blob }: { peer: PeerIdText; blob: Blob }): void {
  const bytes = Buffer.concat(encodeBlocks([{ form: CID_V0, bytes: blob.bytes }]))
  void script
    .open(peer)
    .then((stream) => {
      let at = 0
      const crumb = (): void => {
        if (at >= bytes.length) return
        try {
          stream.send([bytes.subarray(at, at + 3)])
        } catch {
          return
        }
        at += 3
        sim.clock.setTimer(400, crumb)
      }
      crumb()
    })
    .catch(() => {})
}

function want(script: ScriptedPeer, peer: PeerIdText, blobs: readonly Blob[]): void {
  const entries = blobs.map(({ cid }) => encodeWantBlock(cid.toBytes()))
  void script.send(peer, encodeControl(entries, [])).catch(() => {})
}

/** What comes without being asked for, every so often, to everybody. */
function disturb(script: ScriptedPeer, { sim, behaviour, blobs, over }: ByzantineUse): void {
  const act: Partial<Record<Behaviour, (peer: PeerIdText) => void>> = {
    flood: (peer) => script.give(peer, simBlob(2_000_000 + Math.floor(sim.rng.next() * 1e6), 300_000)),
    garbage: (peer) => void script.send(peer, Uint8Array.of(4, 0xff, 0xff, 0xff, 0xff)).catch(() => {}),
    wants: (peer) => {
      const first = Math.floor(sim.rng.next() * 1000)
      // Fewer of each of many, or a crowd's plan would last an hour.
      const length = Math.min(200, Math.ceil(2000 / sim.nodes.length))
      const absent = Array.from({ length }, (_, index) => simBlob(first + index, 512))
      want(script, peer, [...blobs.values(), ...absent])
    },
    sip: (peer) => want(script, peer, [...blobs.values()]),
    streams: (peer) => {
      for (let count = 0; count < 20; count += 1) {
        void script
          .open(peer)
          .then((stream) => stream.abort('a whim'))
          .catch(() => {})
      }
    }
  }
  const run = act[behaviour]
  if (run === undefined) return
  const again = (): void => {
    if (over()) return
    for (const { peer } of sim.nodes) run(peer)
    sim.clock.setTimer((250 + sim.rng.next() * 500) * (behaviour === 'wants' ? 4 : 1), again)
  }
  sim.clock.setTimer(100, again)
}
