import type { MemoryAccount } from './account.ts'

/**
 * A part of an account, for one of several users that it pays for: every byte is the account's, and this user holds at most `capBytes`
 * of them, so that it cannot take all from the others.
 */
export class AccountShare implements MemoryAccount {
  readonly name: string
  readonly capBytes: number
  readonly #account: MemoryAccount
  #reserved = 0

  constructor(account: MemoryAccount, capBytes: number) {
    this.name = account.name
    this.capBytes = capBytes
    this.#account = account
  }

  get reservedBytes(): number {
    return this.#reserved
  }

  tryReserve(bytes: number): boolean {
    if (this.#reserved + bytes > this.capBytes || !this.#account.tryReserve(bytes)) return false
    this.#reserved += bytes
    return true
  }

  release(bytes: number): void {
    if (bytes > this.#reserved)
      throw new RangeError(`a share of budget account '${this.name}' releases more than it holds`)
    this.#reserved -= bytes
    this.#account.release(bytes)
  }
}
