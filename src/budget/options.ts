export const ACCOUNT_NAMES = ['cache', 'receive', 'send', 'decode', 'api'] as const
export type AccountName = (typeof ACCOUNT_NAMES)[number]

export interface BudgetOptions {
  /** Everything that grows with load together, bytes. */
  readonly totalBytes: number
  /** The most that one account may hold, bytes. The sum may exceed the total: not all peak at once. */
  readonly accountBytes: Readonly<Record<AccountName, number>>
}

const MIB = 1024 * 1024

/**
 * Defaults of the profile `standard`. The cache holds the newest blobs that peers still ask for (64 MiB are about 20 s at
 * 3 blobs of 1 MiB a second); receive and send hold some dozens of blobs in flight; decode holds the plaintext of
 * one chunk (LZ4 expands Flow's chunks about 4 times); api the bytes on their way to slow readers.
 */
export const defaultBudgetOptions: BudgetOptions = Object.freeze({
  totalBytes: 192 * MIB,
  accountBytes: Object.freeze({ cache: 64 * MIB, receive: 64 * MIB, send: 32 * MIB, decode: 64 * MIB, api: 16 * MIB })
})

/** Says what would break, one sentence a fault; empty when the options fit each other. */
export function validateBudgetOptions(options: BudgetOptions): string[] {
  return ACCOUNT_NAMES.flatMap((name) =>
    options.accountBytes[name] > options.totalBytes
      ? [
          `budget account '${name}' (${options.accountBytes[name]} bytes) exceeds the whole budget (${options.totalBytes} bytes)`
        ]
      : []
  )
}
