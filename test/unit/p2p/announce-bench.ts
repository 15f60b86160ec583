import { Registry } from 'prom-client'
import type { AnnouncementHandlers, AnnouncementTransport } from '#src/feed/announcement-transport.ts'
import { silentLogger } from '#src/log/logger.ts'
import type { Height, PeerIdText, SignedAnnouncement } from '#src/model/index.ts'
import { AnnounceClient } from '#src/p2p/announce/client.ts'
import { AnnounceServer } from '#src/p2p/announce/server.ts'
import {
  type AnnounceOptions,
  type AnnouncementLog,
  createAnnounceMetrics,
  defaultAnnounceOptions,
  IdentityTable,
  type PeerEvent,
  signAnnouncement
} from '#src/p2p/index.ts'
import { seededRng } from '#src/util/index.ts'
import { type MemoryStream, streamPair } from './memory-stream.ts'
import { ManualClock, type Member, makeAnnouncement, makeMember, settle } from './support.ts'

class MemoryLog implements AnnouncementLog {
  readonly entries: SignedAnnouncement[] = []
  reads = 0
  openReads = 0
  failAt: Height | undefined
  get lowest(): Height | undefined {
    return this.entries[0]?.height
  }
  get highest(): Height | undefined {
    return this.entries.at(-1)?.height
  }
  async *read(from: Height, to: Height): AsyncGenerator<SignedAnnouncement> {
    this.reads += 1
    this.openReads += 1
    try {
      for (const entry of this.entries) {
        if (entry.height === this.failAt) throw new Error('the disk is gone')
        if (entry.height >= from && entry.height <= to) yield entry
      }
    } finally {
      this.openReads -= 1
    }
  }
}

/** A listening node and one execution node with a stream between them whenever the client opens one. */
export class Bench {
  readonly clock = new ManualClock()
  readonly execution: Member = makeMember('execution')
  readonly access: Member = makeMember('access')
  readonly table = new IdentityTable([this.execution.identity, this.access.identity])
  readonly log = new MemoryLog()
  readonly clientMetrics = createAnnounceMetrics(new Registry())
  readonly serverMetrics = createAnnounceMetrics(new Registry())
  readonly cooled: string[] = []
  readonly got: { readonly height: Height; readonly live: boolean }[] = []
  readonly notes: string[] = []
  readonly streams: { readonly client: MemoryStream; readonly server: MemoryStream }[] = []
  readonly server: AnnounceServer
  readonly client: AnnounceClient
  /** False: streams lead to the test instead of the server. */
  served = true
  refuse = false
  connected = true
  #listeners = new Set<(event: PeerEvent) => void>()

  constructor(options: Partial<AnnounceOptions> = {}) {
    const all = { ...defaultAnnounceOptions, ...options }
    const { clock, table, log } = this
    this.server = new AnnounceServer(
      {
        table,
        announcements: log,
        coolDown: (peer, reason) => this.cooled.push(`server ${peer} ${reason}`),
        clock,
        log: silentLogger,
        metrics: this.serverMetrics
      },
      all
    )
    const network = {
      connected: () => (this.connected ? [this.execution.identity.peerId] : []),
      onPeer: (listener: (event: PeerEvent) => void) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
      open: async () => {
        if (this.refuse) throw new Error('protocol not supported')
        const [client, server] = streamPair()
        this.streams.push({ client, server })
        if (this.served) this.server.accept(this.access.identity.peerId, server)
        return client
      },
      coolDown: (peer: PeerIdText, reason: string) => {
        this.cooled.push(`client ${peer} ${reason}`)
        this.event('disconnected')
      }
    }
    this.client = new AnnounceClient(
      { network, table, clock, rng: seededRng(1), log: silentLogger, metrics: this.clientMetrics },
      all
    )
    const handlers: AnnouncementHandlers = {
      onAnnouncement: (_peer, { height }, live) => this.got.push({ height, live }),
      onAnnouncer: (_peer, { lowest, highest }) => this.notes.push(`offers ${lowest}-${highest}`),
      onAnnouncerGone: () => this.notes.push('gone')
    }
    // The feed's port, which p2p does not know.
    const transport: AnnouncementTransport = this.client
    transport.listen(handlers)
  }

  get peer(): PeerIdText {
    return this.execution.identity.peerId
  }

  signed(height: Height, member = this.execution): SignedAnnouncement {
    return signAnnouncement(member.key, makeAnnouncement(height))
  }

  fill(from: Height, to: Height): void {
    for (let height = from; height <= to; height += 1) this.log.entries.push(this.signed(height))
  }

  event(type: PeerEvent['type']): void {
    this.connected = type === 'connected'
    for (const listener of this.#listeners) listener({ type, peer: this.peer, role: 'execution' })
  }

  /** Plays the execution node: sends bytes on the last stream. */
  async inject(...frames: Uint8Array[]): Promise<void> {
    for (const frame of frames) this.streams.at(-1)?.server.send(frame)
    await settleAll()
  }

  async stop(): Promise<void> {
    await this.client.stop()
    await this.server.stop()
  }
}

export async function settleAll(): Promise<void> {
  for (let round = 0; round < 60; round += 1) await settle()
}

export const heights = (bench: Bench): Height[] => bench.got.map(({ height }) => height)
