import { Uint8ArrayList } from 'uint8arraylist'
import { systemNextTurn } from '../../util/index.ts'

/**
 * Gathers what a socket reads in one turn of the event loop, which libuv bounds (32 reads of 64 KiB). Given upwards together, it
 * costs one pass through the layers above, and one window update, instead of one for each read.
 */
export class TurnReader {
  readonly #deliver: (arrived: Uint8ArrayList) => void
  #arrived: Uint8Array[] = []

  constructor(deliver: (arrived: Uint8ArrayList) => void) {
    this.#deliver = deliver
  }

  add(bytes: Uint8Array): void {
    if (this.#arrived.length === 0) systemNextTurn(() => this.deliver())
    this.#arrived.push(bytes)
  }

  /** Now, since there is no later. */
  deliver(): void {
    const arrived = this.#arrived
    this.#arrived = []
    if (arrived.length > 0) this.#deliver(new Uint8ArrayList(...arrived))
  }
}
