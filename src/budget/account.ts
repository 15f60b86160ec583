/**
 * A named share of the node's memory. Whoever is about to hold bytes that grow with load reserves them first.
 * `reserved` is exact: every successful `reserve` is matched by one `release`.
 */
export interface MemoryAccount {
  readonly name: string
  readonly capBytes: number
  readonly reservedBytes: number
  /** False when the account or the whole budget has no room; nothing is reserved then. */
  tryReserve(bytes: number): boolean
  release(bytes: number): void
}
