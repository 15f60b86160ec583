import type { Stream } from '@libp2p/interface'

/** What the two sides need of a stream; over libp2p, and in memory in tests. */
export interface AnnounceStream {
  /** Queues bytes; they are not to be changed afterwards. */
  send(bytes: Uint8Array): void
  /** True while what was sent has not gone out: nothing more should be sent before the next `onDrain`. */
  readonly needsDrain: boolean
  /** Cuts the stream; the other side sees a reset. */
  abort(why: string): void
  /** Registers the one listener; to be called in the turn in which the stream was got. */
  listen(listener: AnnounceStreamListener): void
}

export interface AnnounceStreamListener {
  onBytes(bytes: Uint8Array): void
  onDrain(): void
  /** Called once, whoever closed. */
  onClose(): void
}

/** A libp2p stream. The `drain` event is listened to, since `onDrain()` works only once (js-libp2p `abstract-message-stream`). */
export function libp2pAnnounceStream(stream: Stream): AnnounceStream {
  return {
    send(bytes) {
      if (stream.writeStatus === 'writable') stream.send(bytes)
    },
    get needsDrain() {
      return stream.writableNeedsDrain
    },
    abort(why) {
      stream.abort(new Error(why))
    },
    listen(listener) {
      let closed = false
      const close = (): void => {
        if (closed) return
        closed = true
        listener.onClose()
      }
      stream.addEventListener('message', ({ data }) => {
        for (const part of data instanceof Uint8Array ? [data] : data) listener.onBytes(part)
      })
      stream.addEventListener('drain', () => listener.onDrain())
      stream.addEventListener('close', close)
      // Neither side has a reason to close half of it.
      stream.addEventListener('remoteCloseWrite', () => {
        close()
        if (stream.status === 'open') stream.abort(new Error('the peer ended the stream'))
      })
      if (stream.status !== 'open') close()
    }
  }
}
