import type { PressureOptions } from './pressure.ts'

export const ACCOUNT_NAMES = ['cache', 'receive', 'send', 'decode', 'api'] as const
export type AccountName = (typeof ACCOUNT_NAMES)[number]

type PerAccount = Readonly<Record<AccountName, number>>

export interface BudgetOptions {
  /** Everything that grows with load together, bytes. */
  readonly totalBytes: number
  /** The most that one account may hold, bytes. The sum may exceed the total: not all peak at once. */
  readonly accountBytes: PerAccount
  /** What an account gets whatever the others hold, bytes: the work that it pays for never stands still for want of memory. */
  readonly floorBytes: PerAccount
}

/** The most that a room reserves of an account in one go, and the setting or limit that says so. */
export interface BudgetStep {
  readonly account: AccountName
  readonly bytes: number
  readonly key: string
}

const MIB = 1024 * 1024

/**
 * Defaults of the profile `standard`. The cache holds the newest blobs that peers still ask for (64 MiB are about 20 s at
 * 3 blobs of 1 MiB a second); receive and send hold some dozens of blobs in flight; decode holds the plaintext of
 * one chunk (LZ4 expands Flow's chunks about 4 times); api the bytes on their way to slow readers.
 *
 * Floors: two of the largest blobs for receive and one and a half for send, a chunk of usual size to decode, one API stream.
 */
export const defaultBudgetOptions: BudgetOptions = Object.freeze({
  totalBytes: 192 * MIB,
  accountBytes: Object.freeze({ cache: 64 * MIB, receive: 64 * MIB, send: 32 * MIB, decode: 64 * MIB, api: 16 * MIB }),
  floorBytes: Object.freeze({ cache: 0, receive: 8 * MIB, send: 6 * MIB, decode: 8 * MIB, api: 2 * MIB })
})

/** The defaults under another total and cache: no account may hold more than the total leaves beside the others' floors. */
export function budgetOptions(memory: { readonly totalBytes: number; readonly cacheBytes: number }): BudgetOptions {
  const { accountBytes, floorBytes } = defaultBudgetOptions
  const { totalBytes } = memory
  const room = (name: AccountName): number => Math.max(0, totalBytes - sum(floorBytes) + floorBytes[name])
  const caps = Object.fromEntries(ACCOUNT_NAMES.map((name) => [name, Math.min(accountBytes[name], room(name))]))
  return { totalBytes, floorBytes, accountBytes: { ...accountBytes, ...caps, cache: memory.cacheBytes } }
}

/** The smallest total with which every account gets its floor. */
export const SMALLEST_BUDGET_BYTES = sum(defaultBudgetOptions.floorBytes)

/**
 * Says what would break, one sentence a fault, naming both sides; empty when the options fit each other: floor ≤ account ≤
 * total, all floors together ≤ total, each step ≤ its account.
 */
export function validateBudgetOptions(options: BudgetOptions, steps: readonly BudgetStep[] = []): string[] {
  const { accountBytes, floorBytes, totalBytes } = options
  const faults = ACCOUNT_NAMES.flatMap((name) => [
    ...(accountBytes[name] > totalBytes
      ? [`budget account '${name}' (${accountBytes[name]} bytes) exceeds the whole budget (${totalBytes} bytes)`]
      : []),
    ...(floorBytes[name] > accountBytes[name]
      ? [`budget account '${name}' (${accountBytes[name]} bytes) is less than its floor (${floorBytes[name]} bytes)`]
      : [])
  ])
  if (sum(floorBytes) > totalBytes) {
    faults.push(`the whole budget (${totalBytes} bytes) is less than all floors together (${sum(floorBytes)} bytes)`)
  }
  for (const { account, bytes, key } of steps) {
    if (bytes <= accountBytes[account]) continue
    faults.push(
      `${key} (${bytes} bytes) exceeds budget.accountBytes.${account} (${accountBytes[account]} bytes), which memory.budget gives: raise that, or lower the first`
    )
  }
  return faults
}

function sum(accounts: PerAccount): number {
  return ACCOUNT_NAMES.reduce((bytes, name) => bytes + accounts[name], 0)
}

export interface MemoryWatchOptions {
  /** Time between two looks, ms. */
  readonly everyMs: number
}

/** A look costs some 30 µs; in half a second a loaded node takes in 2 MiB at most. */
export const defaultMemoryWatchOptions: MemoryWatchOptions = Object.freeze({ everyMs: 500 })

/**
 * A node at its usual load stays under 0.7 of a limit that fits it. The steps above are wide enough that what the level
 * before gives back (caches, downloads ahead) shows before the next one is reached; the last leaves room for one
 * collection of the JS heap.
 */
export const PRESSURE_OPTIONS: PressureOptions = Object.freeze({
  enterAt: Object.freeze({ shrink: 0.75, hold: 0.82, shed: 0.88, refuse: 0.93 }),
  hysteresis: 0.05,
  dwellMs: 2_000
})
