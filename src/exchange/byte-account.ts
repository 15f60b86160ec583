import type { MemoryAccount } from '../budget/account.ts'

/** An account of its own, for an exchange that is given none. */
export class ByteAccount implements MemoryAccount {
  readonly name: string
  readonly capBytes: number
  #reserved = 0

  constructor(name: string, capBytes: number) {
    this.name = name
    this.capBytes = capBytes
  }

  get reservedBytes(): number {
    return this.#reserved
  }

  tryReserve(bytes: number): boolean {
    if (this.#reserved + bytes > this.capBytes) return false
    this.#reserved += bytes
    return true
  }

  release(bytes: number): void {
    this.#reserved -= bytes
  }
}
