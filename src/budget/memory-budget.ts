import type { MemoryAccount } from './account.ts'
import type { BudgetMetrics } from './metrics.ts'
import { ACCOUNT_NAMES, type AccountName, type BudgetOptions } from './options.ts'

/**
 * One cap over everything that can grow with load. An account reserves before it allocates; what does not fit is
 * refused there and then, and the caller waits, spills or says no. Before the whole refuses, elastic holders (caches) are
 * asked to give back: what can be read again never keeps out what cannot wait.
 */
export class MemoryBudget {
  readonly totalBytes: number
  #reserved = 0
  readonly #accounts: ReadonlyMap<AccountName, BudgetAccount>
  readonly #elastic = new Map<AccountName, ElasticHolder>()
  readonly #metrics: BudgetMetrics

  constructor(components: { readonly metrics: BudgetMetrics }, options: BudgetOptions) {
    this.totalBytes = options.totalBytes
    const { metrics } = components
    this.#metrics = metrics
    metrics.total.set(options.totalBytes)
    this.#accounts = new Map(
      ACCOUNT_NAMES.map((name) => {
        const capBytes = options.accountBytes[name]
        metrics.cap.set({ account: name }, capBytes)
        metrics.reserved.set({ account: name }, 0)
        metrics.refused.inc({ account: name }, 0)
        const bytes = { capBytes, floorBytes: options.floorBytes[name] }
        return [name, new BudgetAccount(name, bytes, { total: this, metrics })]
      })
    )
  }

  get reservedBytes(): number {
    return this.#reserved
  }

  /** Bytes of elastic accounts, which are given back as soon as others need them. */
  get elasticBytes(): number {
    let bytes = 0
    for (const name of this.#elastic.keys()) bytes += this.account(name).reservedBytes
    return bytes
  }

  /** Makes an account elastic: `giveBack` frees about `bytes` of it at once, within the call, or as much as it can. */
  setElastic(name: AccountName, giveBack: ElasticHolder): void {
    this.#elastic.set(name, giveBack)
  }

  /** While closed, an account grants nothing; its users wait or say no, as when it is full. */
  setClosed(name: AccountName, closed: boolean): void {
    this.#account(name).closed = closed
  }

  account(name: AccountName): MemoryAccount {
    return this.#account(name)
  }

  #account(name: AccountName): BudgetAccount {
    const account = this.#accounts.get(name)
    if (account === undefined) throw new RangeError(`no budget account '${name}'`)
    return account
  }

  /** Bytes held by account, for `status`. */
  readings(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#accounts].map(([name, account]) => [name, account.reservedBytes]))
  }

  /** The most that each account may hold, bytes, for `status`. */
  caps(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#accounts].map(([name, account]) => [name, account.capBytes]))
  }

  /** For accounts only: moves the total by `bytes` unless the cap, less what others are owed, has no room for it. */
  shift(bytes: number, by: BudgetAccount): boolean {
    if (bytes > 0) {
      const missing = this.#reserved + this.#owed(by) + bytes - this.totalBytes
      const own = by.reservedBytes + bytes <= by.floorBytes
      if (missing > 0 && !this.#reclaim(missing, by.name) && !own) return false
    }
    this.#reserved += bytes
    return true
  }

  /** What the floors of the others still promise beyond what they hold. */
  #owed(by: BudgetAccount): number {
    let bytes = 0
    for (const account of this.#accounts.values()) {
      if (account !== by) bytes += Math.max(0, account.floorBytes - account.reservedBytes)
    }
    return bytes
  }

  #reclaim(bytes: number, by: string): boolean {
    const before = this.#reserved
    for (const [name, giveBack] of this.#elastic) {
      const missing = bytes - (before - this.#reserved)
      const held = this.account(name).reservedBytes
      if (missing <= 0 || name === by || held === 0) continue
      giveBack(Math.min(missing, held))
      this.#metrics.reclaimed.inc({ account: name }, held - this.account(name).reservedBytes)
    }
    return before - this.#reserved >= bytes
  }
}

/** Frees about so many bytes of its account. */
export type ElasticHolder = (bytes: number) => void

class BudgetAccount implements MemoryAccount {
  readonly name: string
  readonly capBytes: number
  readonly floorBytes: number
  /** No reservation is granted while it is closed; what is held stays. */
  closed = false
  #reserved = 0
  readonly #total: MemoryBudget
  readonly #metrics: BudgetMetrics

  constructor(
    name: string,
    bytes: { readonly capBytes: number; readonly floorBytes: number },
    owner: { readonly total: MemoryBudget; readonly metrics: BudgetMetrics }
  ) {
    this.name = name
    this.capBytes = bytes.capBytes
    this.floorBytes = bytes.floorBytes
    this.#total = owner.total
    this.#metrics = owner.metrics
  }

  get reservedBytes(): number {
    return this.#reserved
  }

  tryReserve(bytes: number): boolean {
    if (this.closed || this.#reserved + bytes > this.capBytes || !this.#total.shift(bytes, this)) {
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
    this.#total.shift(-bytes, this)
    this.#metrics.reserved.set({ account: this.name }, this.#reserved)
  }
}
