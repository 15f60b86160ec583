import type { MemoryAccount } from './account.ts'
import type { BudgetMetrics } from './metrics.ts'
import { ACCOUNT_NAMES, type AccountName, type BudgetOptions } from './options.ts'

/**
 * One cap over everything that can grow with load. An account reserves before it allocates; what does not fit is
 * refused there and then, and the caller waits, spills or says no.
 */
export class MemoryBudget {
  readonly totalBytes: number
  #reserved = 0
  readonly #accounts: ReadonlyMap<AccountName, BudgetAccount>

  constructor(components: { readonly metrics: BudgetMetrics }, options: BudgetOptions) {
    this.totalBytes = options.totalBytes
    const { metrics } = components
    this.#accounts = new Map(
      ACCOUNT_NAMES.map((name) => {
        const capBytes = options.accountBytes[name]
        metrics.cap.set({ account: name }, capBytes)
        metrics.reserved.set({ account: name }, 0)
        return [name, new BudgetAccount(name, capBytes, { total: this, metrics })]
      })
    )
  }

  get reservedBytes(): number {
    return this.#reserved
  }

  account(name: AccountName): MemoryAccount {
    const account = this.#accounts.get(name)
    if (account === undefined) throw new RangeError(`no budget account '${name}'`)
    return account
  }

  /** Bytes held by account, for `status`. */
  readings(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#accounts].map(([name, account]) => [name, account.reservedBytes]))
  }

  /** For accounts only: moves the total by `bytes` unless that exceeds the cap. */
  shift(bytes: number): boolean {
    if (bytes > 0 && this.#reserved + bytes > this.totalBytes) return false
    this.#reserved += bytes
    return true
  }
}

class BudgetAccount implements MemoryAccount {
  readonly name: string
  readonly capBytes: number
  #reserved = 0
  readonly #total: MemoryBudget
  readonly #metrics: BudgetMetrics

  constructor(
    name: string,
    capBytes: number,
    owner: { readonly total: MemoryBudget; readonly metrics: BudgetMetrics }
  ) {
    this.name = name
    this.capBytes = capBytes
    this.#total = owner.total
    this.#metrics = owner.metrics
  }

  get reservedBytes(): number {
    return this.#reserved
  }

  tryReserve(bytes: number): boolean {
    if (this.#reserved + bytes > this.capBytes || !this.#total.shift(bytes)) {
      this.#metrics.refused.inc({ account: this.name })
      return false
    }
    this.#reserved += bytes
    this.#metrics.reserved.set({ account: this.name }, this.#reserved)
    return true
  }

  release(bytes: number): void {
    if (bytes > this.#reserved) throw new RangeError(`budget account '${this.name}' releases more than it holds`)
    this.#reserved -= bytes
    this.#total.shift(-bytes)
    this.#metrics.reserved.set({ account: this.name }, this.#reserved)
  }
}
