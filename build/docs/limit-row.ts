/** One limit, or several that work as one. */
export interface LimitRow {
  /** As `limitValue` takes them. */
  readonly limits: readonly string[]
  readonly defends: string
  readonly at: string
  /** A metric, with a label's value where one says it; several when each of the limits has its own. */
  readonly counters?: readonly string[]
}

export interface LimitSection {
  readonly title: string
  readonly rows: readonly LimitRow[]
}
