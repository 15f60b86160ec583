import type { MemoryAccount } from '../../budget/account.ts'
import type { PeerIdText } from '../../model/index.ts'

/** A stream whose block waits for room. */
export interface Receiver {
  readonly peer: PeerIdText
  /** Its bytes are reserved now. */
  granted(): void
}

export interface ReceiveLimits {
  /** Bytes of blocks that one peer may have on their way in; a block that is alone always may. */
  readonly bytesPerPeer: number
  /** Streams of one peer that may wait for room: what is unread on each is memory too, up to a window. */
  readonly waitingPerPeer: number
}

interface Share {
  bytes: number
  waiting: number
}

/**
 * Bytes of blocks on their way in. Who finds no room waits, in order; a peer that has used up its own share waits for itself
 * and for nobody else.
 */
export class ReceiveAccount {
  readonly #account: MemoryAccount
  readonly #limits: ReceiveLimits
  readonly #waiting = new Map<Receiver, number>()
  readonly #shares = new Map<PeerIdText, Share>()

  constructor(account: MemoryAccount, limits: ReceiveLimits) {
    this.#account = account
    this.#limits = limits
  }

  get reservedBytes(): number {
    return this.#account.reservedBytes
  }

  /** Streams that wait. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** `held`: reserved; `waiting`: `granted` will be called; `refused`: too many streams of this peer wait already. */
  reserve(receiver: Receiver, bytes: number): 'held' | 'waiting' | 'refused' {
    const share = this.#shareOf(receiver.peer)
    // Nobody overtakes somebody who waits for the account; who waits for its own share is in nobody's way.
    if (!this.#accountAwaited && this.#take(share, bytes)) return 'held'
    if (share.waiting >= this.#limits.waitingPerPeer) {
      this.#tidy(receiver.peer, share)
      return 'refused'
    }
    share.waiting += 1
    this.#waiting.set(receiver, bytes)
    return 'waiting'
  }

  release(peer: PeerIdText, bytes: number): void {
    const share = this.#shareOf(peer)
    share.bytes -= bytes
    this.#tidy(peer, share)
    this.#account.release(bytes)
    this.#grant()
  }

  /** It does not wait any more. */
  forget(receiver: Receiver): void {
    if (!this.#waiting.delete(receiver)) return
    const share = this.#shareOf(receiver.peer)
    share.waiting -= 1
    this.#tidy(receiver.peer, share)
    this.#grant()
  }

  /** Looks whether there is room now. */
  retry(): void {
    this.#grant()
  }

  get #accountAwaited(): boolean {
    for (const [{ peer }, bytes] of this.#waiting) if (this.#within(this.#shareOf(peer), bytes)) return true
    return false
  }

  #grant(): void {
    for (const [receiver, bytes] of this.#waiting) {
      const share = this.#shareOf(receiver.peer)
      if (!this.#within(share, bytes)) continue
      if (!this.#take(share, bytes)) return
      this.#waiting.delete(receiver)
      share.waiting -= 1
      receiver.granted()
    }
  }

  #within(share: Share, bytes: number): boolean {
    return share.bytes === 0 || share.bytes + bytes <= this.#limits.bytesPerPeer
  }

  #take(share: Share, bytes: number): boolean {
    if (!this.#within(share, bytes) || !this.#account.tryReserve(bytes)) return false
    share.bytes += bytes
    return true
  }

  #shareOf(peer: PeerIdText): Share {
    let share = this.#shares.get(peer)
    if (share === undefined) {
      share = { bytes: 0, waiting: 0 }
      this.#shares.set(peer, share)
    }
    return share
  }

  #tidy(peer: PeerIdText, share: Share): void {
    if (share.bytes === 0 && share.waiting === 0) this.#shares.delete(peer)
  }
}
