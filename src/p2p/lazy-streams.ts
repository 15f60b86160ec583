import type { StreamMuxer } from '@libp2p/interface'

/** A line of multistream-select: its length with the line feed, the text, the line feed. */
function line(text: string): Uint8Array {
  const bytes = Buffer.from(`${text}\n`, 'utf8')
  if (bytes.length > 127) throw new RangeError(`a protocol id has 126 characters at most: ${text}`)
  return Buffer.concat([Buffer.from([bytes.length]), bytes])
}

/** What go-libp2p writes before the first message when it does not wait for an answer. */
export function lazyHeader(protocol: string): Uint8Array {
  return Buffer.concat([line('/multistream/1.0.0'), line(protocol)])
}

/**
 * Makes the muxer honour `negotiateFully: false` of libp2p's `newStream`, which js-libp2p has in its interface and not in its code: the
 * names of the protocols go ahead of the first message, and nobody waits for the peer to repeat them. go-libp2p opens every stream to
 * a known protocol so. Only for streams of one protocol that nobody reads from: the peer's two lines arrive as data.
 */
export function negotiateLazily(muxer: StreamMuxer): void {
  const createStream = muxer.createStream.bind(muxer)
  muxer.createStream = async (options) => {
    const stream = await createStream(options)
    const { protocol, negotiateFully } = (options ?? {}) as { protocol?: string; negotiateFully?: boolean }
    if (negotiateFully === false && protocol !== undefined) {
      stream.send(lazyHeader(protocol))
      // libp2p negotiates for a stream that has no protocol yet.
      stream.protocol = protocol
    }
    return stream
  }
}
