import type { MemoryAccount } from '../../budget/account.ts'
import type { Blob, DigestKey } from '../../model/index.ts'

interface Held {
  /** Until its last holder has let go: the map's former tables may keep the rest for a while. */
  blob: Blob | undefined
  readonly bytes: number
  holders: number
}

/**
 * The blocks that are being sent, each held once and counted once, however many peers it goes to.
 * Invariant: the account's reservation is the sum of the held blocks' lengths.
 */
export class InFlight {
  readonly #account: MemoryAccount
  readonly #held = new Map<DigestKey, Held>()

  readonly #onRoom: () => void

  /** `onRoom` is called whenever bytes have been given back. */
  constructor(account: MemoryAccount, onRoom: () => void) {
    this.#account = account
    this.#onRoom = onRoom
  }

  get bytes(): number {
    let sum = 0
    for (const held of this.#held.values()) sum += held.bytes
    return sum
  }

  get count(): number {
    return this.#held.size
  }

  /** The block if somebody is being sent it already. */
  peek(key: DigestKey): Blob | undefined {
    return this.#held.get(key)?.blob
  }

  /** False when there is no room for one more block; a block that is held already always has room. */
  tryHold(blob: Blob): boolean {
    const held = this.#held.get(blob.cid.key)
    if (held !== undefined) {
      held.holders += 1
      return true
    }
    if (!this.#account.tryReserve(blob.bytes.length)) return false
    this.#held.set(blob.cid.key, { blob, bytes: blob.bytes.length, holders: 1 })
    return true
  }

  release(key: DigestKey): void {
    const held = this.#held.get(key)
    if (held === undefined) return
    held.holders -= 1
    if (held.holders > 0) return
    this.#held.delete(key)
    held.blob = undefined
    this.#account.release(held.bytes)
    this.#onRoom()
  }
}
