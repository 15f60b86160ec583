/**
 * Every combination of a metric's label values. A metric whose labels are closed sets is given all its series when it is made:
 * then no peer or client can add one, and a query finds 0 rather than nothing before the first event.
 */
export function labelSets<L extends string>(values: Readonly<Record<L, readonly string[]>>): Record<L, string>[] {
  return (Object.entries(values) as [L, readonly string[]][]).reduce<Record<L, string>[]>(
    (sets, [label, all]) => sets.flatMap((set) => all.map((value) => ({ ...set, [label]: value }))),
    [{} as Record<L, string>]
  )
}
