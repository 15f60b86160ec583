/** What came of one attempt: served, or refused by a name. */
export type Attempt = { readonly kind: 'ok' } | { readonly kind: 'rejected' | 'failed'; readonly by: string }

/** A limit to be looked for. */
export interface Probe {
  readonly name: string
  /** What is counted. */
  readonly unit: string
  readonly low: number
  readonly high: number
  attempt(value: number): Promise<Attempt>
}

/** Where a limit lies: the largest that was served and the smallest that was not, with what was said to that. */
export interface Found {
  readonly largestServed: number | null
  readonly smallestRefused: number | null
  readonly refusedBy: string | null
  /** False when what lies above is not refused in so many words. */
  readonly clean: boolean
}

/**
 * Finds a limit between two whole numbers by halving. `attempt` must serve everything up to the limit and nothing above. When `low` is
 * not served or `high` is, there is no limit between them.
 */
export async function bisect(
  range: { readonly low: number; readonly high: number },
  attempt: (value: number) => Promise<Attempt>
): Promise<Found> {
  const first = await attempt(range.low)
  if (first.kind !== 'ok') return found(null, range.low, first)
  const last = await attempt(range.high)
  if (last.kind === 'ok') return { largestServed: range.high, smallestRefused: null, refusedBy: null, clean: true }
  let [low, high, refusal] = [range.low, range.high, last]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    const result = await attempt(middle)
    if (result.kind === 'ok') low = middle
    else [high, refusal] = [middle, result]
  }
  return found(low, high, refusal)
}

const found = (served: number | null, refused: number, refusal: Exclude<Attempt, { kind: 'ok' }>): Found => ({
  largestServed: served,
  smallestRefused: refused,
  refusedBy: refusal.by,
  clean: refusal.kind === 'rejected'
})
