import type { AnnounceStream, AnnounceStreamListener } from '#src/p2p/announce/stream.ts'

/** One end of a stream in memory. Delivers in later microtasks; `window` sends may be unread before it needs to drain. */
export class MemoryStream implements AnnounceStream {
  readonly window = 8
  aborted = false
  paused = false
  other: MemoryStream | undefined
  #listener: AnnounceStreamListener | undefined
  #inbox: Uint8Array[] = []
  #closed = false

  /** What this end sent and the other has not read. */
  get sentUnread(): number {
    return this.other?.unread ?? 0
  }

  get unread(): number {
    return this.#inbox.length
  }

  get needsDrain(): boolean {
    return this.sentUnread >= this.window
  }

  send(bytes: Uint8Array): void {
    if (!this.#closed) this.other?.deliver(bytes)
  }

  listen(listener: AnnounceStreamListener): void {
    this.#listener = listener
    queueMicrotask(() => this.#read())
  }

  abort(): void {
    this.aborted = true
    this.close()
    this.other?.remoteAborted()
  }

  resume(): void {
    this.paused = false
    queueMicrotask(() => this.#read())
  }

  deliver(bytes: Uint8Array): void {
    this.#inbox.push(bytes)
    queueMicrotask(() => this.#read())
  }

  remoteAborted(): void {
    this.aborted = true
    this.close()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#inbox = []
    this.#listener?.onClose()
  }

  drained(): void {
    if (!this.#closed) this.#listener?.onDrain()
  }

  #read(): void {
    while (!this.paused && !this.#closed && this.#listener !== undefined) {
      const bytes = this.#inbox.shift()
      if (bytes === undefined) return
      this.#listener.onBytes(bytes)
      this.other?.drained()
    }
  }
}

export function streamPair(): [MemoryStream, MemoryStream] {
  const [left, right] = [new MemoryStream(), new MemoryStream()]
  left.other = right
  right.other = left
  return [left, right]
}
