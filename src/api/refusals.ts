import type { MemoryAccount } from '../budget/account.ts'
import { formatSize } from '../util/index.ts'
import { ApiError } from './errors.ts'

/**
 * Reserves what a request needs, before anything is allocated for it. Throws ApiError `exceeds-limit` when no state of the node
 * would have room for it, `overloaded` when there is none now; both name the account, its bytes and what was asked for.
 */
export function reserveFor(account: MemoryAccount, bytes: number, what: string): void {
  if (account.tryReserve(bytes)) return
  const limit = `budget.accountBytes.${account.name}`
  const details = { limit, limitBytes: account.capBytes, neededBytes: bytes }
  if (bytes > account.capBytes) {
    throw exceedsLimit(`${what} needs ${bytes} bytes`, details)
  }
  throw new ApiError(
    'overloaded',
    `no memory is left for ${what} (${limit}, ${formatSize(account.capBytes)}); try again`,
    {
      details
    }
  )
}

/** What a request asks for is more than one request may have. */
export function exceedsLimit(
  needs: string,
  details: { readonly limit: string; readonly limitBytes: number; readonly neededBytes: number }
): ApiError {
  const { limit, limitBytes } = details
  return new ApiError('exceeds-limit', `${needs}, and ${limit} is ${limitBytes} bytes: it cannot be given here`, {
    details: { ...details }
  })
}
