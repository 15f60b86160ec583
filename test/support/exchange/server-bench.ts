import { ByteAccount } from '#src/exchange/byte-account.ts'
import { CID_V0, type CidForm, type WantEntry } from '#src/exchange/message/types.ts'
import { ExchangeTotals } from '#src/exchange/metrics.ts'
import { defaultExchangeOptions, type ServerOptions } from '#src/exchange/options.ts'
import type { Served } from '#src/exchange/server/ledger.ts'
import { ExchangeServer } from '#src/exchange/server/server.ts'

import type { Blob, DigestKey, PeerIdText } from '#src/model/index.ts'
import { defaultTimerWheelOptions, TimerWheel } from '#src/util/index.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'
import { MemoryBlobs } from './memory-blobs.ts'

const limits = defaultExchangeOptions.server

export const peer = (name: string): PeerIdText => name as PeerIdText

/** A link that takes everything at once unless it is told to hold. */
export class TestLink {
  readonly sent: Uint8Array[] = []
  readonly resets: string[] = []
  readonly presences: string[] = []
  dataOpen = true
  dataUnsentBytes = 0
  hold = false
  needData(): void {}
  resetData(reason: string): void {
    this.resets.push(reason)
    this.dataUnsentBytes = 0
  }
  queuePresence(_key: DigestKey, _form: CidForm, have: boolean): void {
    this.presences.push(have ? 'have' : 'dont-have')
  }
  sendData(parts: readonly Uint8Array[]): boolean {
    this.sent.push(...parts)
    if (this.hold) for (const part of parts) this.dataUnsentBytes += part.length
    return true
  }
}

/** The serving side alone, on a virtual clock, with links that tests play. */
export interface ServerBench {
  readonly clock: VirtualClock
  readonly wheel: TimerWheel
  readonly server: ExchangeServer
  readonly blobs: MemoryBlobs
  readonly totals: ExchangeTotals
  readonly waits: readonly Served[]
  readonly account: ByteAccount
  readonly penalties: readonly string[]
  readonly link: (name: string) => TestLink
  readonly want: (name: string, cid: Pick<Blob, 'cid'>, change?: Partial<WantEntry>) => void
}

export function serverBench(change: Partial<ServerOptions> = {}, allowed = true): ServerBench {
  const clock = new VirtualClock()
  const blobs = new MemoryBlobs()
  const totals = new ExchangeTotals()
  const waits: Served[] = []
  const options = { ...limits, ...change }
  const account = new ByteAccount('send', options.sendBytes)
  const penalties: string[] = []
  const wheel = new TimerWheel(clock, defaultTimerWheelOptions)
  const server = new ExchangeServer(
    {
      clock,
      wheel,
      nextTurn: (run) => clock.setTimer(0, run),
      blocks: blobs,
      requestFilter: () => allowed,
      sendAccount: account,
      totals,
      onServed: (served) => waits.push(served),
      rttMs: () => 10,
      penalise: (name, reason) => penalties.push(`${name} ${reason}`)
    },
    options
  )
  const message = (name: string, entry: WantEntry): void =>
    server.message(peer(name), { entries: [entry], presences: [], full: false, refused: 0 })
  return {
    clock,
    wheel,
    server,
    blobs,
    totals,
    waits,
    account,
    penalties,
    link(name) {
      const link = new TestLink()
      server.connected(peer(name), link)
      return link
    },
    want: (name, { cid }, rest) =>
      message(name, {
        key: cid.key,
        form: CID_V0,
        wantType: 'block',
        cancel: false,
        sendDontHave: true,
        ackQueued: false,
        ...rest
      })
  }
}
