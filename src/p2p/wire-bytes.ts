import type { Socket } from 'node:net'

/** Bytes on the TCP sockets of all connections, with everything that security and multiplexing add. */
export class WireBytes {
  readonly #sockets = new Set<Socket>()
  #read = 0
  #written = 0

  /** To be called once for each connection. */
  add(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#read += socket.bytesRead
      this.#written += socket.bytesWritten
    })
  }

  /** Since the start. */
  totals(): { readonly read: number; readonly written: number } {
    let [read, written] = [this.#read, this.#written]
    for (const socket of this.#sockets) {
      read += socket.bytesRead
      written += socket.bytesWritten
    }
    return { read, written }
  }
}
