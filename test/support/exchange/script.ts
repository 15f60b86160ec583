import { MessageDecoder } from '#src/exchange/message/decoder.ts'
import { encodeBlocks, encodeControl, encodePresence } from '#src/exchange/message/encoder.ts'
import { CID_V0, type WantEntry } from '#src/exchange/message/types.ts'
import type { ExchangeNetwork, ExchangeStream } from '#src/exchange/network/network.ts'
import { defaultExchangeOptions } from '#src/exchange/options.ts'
import type { Blob, DigestKey, PeerIdText } from '#src/model/index.ts'

/** A peer that does what a test says, on any network: it reads wants and writes what it likes. */
export class ScriptedPeer {
  readonly #network: ExchangeNetwork
  readonly #streams = new Map<PeerIdText, Promise<ExchangeStream>>()
  readonly wants: { readonly peer: PeerIdText; readonly entry: WantEntry }[] = []
  readonly presences: { readonly peer: PeerIdText; readonly key: DigestKey; readonly have: boolean }[] = []
  readonly blocks: { readonly peer: PeerIdText; readonly key: DigestKey; readonly bytes: number }[] = []
  readonly disconnected: PeerIdText[] = []
  /** Called for every want-block. */
  onWant: (peer: PeerIdText, entry: WantEntry) => void = () => {}
  /** Called for every want-have: it is there, and has nothing. */
  onWantHave: (peer: PeerIdText, entry: WantEntry) => void = (peer, entry) => this.say(peer, entry.key, false)

  /** Called with every stream that is read. */
  onStream: (stream: ExchangeStream) => void = () => {}

  constructor(network: ExchangeNetwork) {
    this.#network = network
    network.start({
      connected: () => {},
      disconnected: (peer) => {
        this.disconnected.push(peer)
        this.#streams.delete(peer)
      },
      inbound: (peer, stream) => this.#read(peer, stream)
    })
  }

  /** Bytes as they are, on one stream per peer. */
  async send(peer: PeerIdText, ...parts: Uint8Array[]): Promise<ExchangeStream> {
    const stream = this.#streams.get(peer) ?? this.open(peer)
    this.#streams.set(peer, stream)
    const opened = await stream
    opened.send(parts)
    return opened
  }

  /** A new stream that reads nothing. */
  async open(peer: PeerIdText): Promise<ExchangeStream> {
    const stream = await this.#network.open(peer, { signal: new AbortController().signal })
    stream.listen({ data: () => {}, drain: () => {}, ended: () => {}, closed: () => this.#streams.delete(peer) })
    return stream
  }

  say(peer: PeerIdText, key: DigestKey, have: boolean): void {
    void this.send(peer, encodeControl([], [encodePresence(key, CID_V0, have)])).catch(() => {})
  }

  give(peer: PeerIdText, blob: Pick<Blob, 'bytes'>): void {
    void this.send(peer, ...encodeBlocks([{ form: CID_V0, bytes: blob.bytes }])).catch(() => {})
  }

  /** The first `share` of a block, and no more. */
  giveHalf(peer: PeerIdText, blob: Pick<Blob, 'bytes'>, share = 0.5): void {
    const [length, head, body] = encodeBlocks([{ form: CID_V0, bytes: blob.bytes }])
    if (length === undefined || head === undefined || body === undefined) return
    void this.send(peer, length, head, body.subarray(0, Math.floor(body.length * share))).catch(() => {})
  }

  #read(peer: PeerIdText, stream: ExchangeStream): void {
    const decoder = new MessageDecoder(
      {
        blockStart: () => 'take',
        blockBytes: () => {},
        blockEnd: (block) => this.blocks.push({ peer, key: block.key, bytes: block.length }),
        blockSkipped: () => {},
        message: (message) => {
          for (const presence of message.presences) this.presences.push({ peer, ...presence })
          for (const entry of message.entries) {
            this.wants.push({ peer, entry })
            if (entry.cancel) continue
            if (entry.wantType === 'have') this.onWantHave(peer, entry)
            else this.onWant(peer, entry)
          }
        }
      },
      defaultExchangeOptions
    )
    stream.listen({ data: (chunk) => decoder.push(chunk), drain: () => {}, ended: () => {}, closed: () => {} })
    this.onStream(stream)
  }
}
