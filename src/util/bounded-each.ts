/**
 * Runs `work` for every item, at most `parallel` at a time, in order of beginning. After the first failure nothing new begins;
 * it rejects with that failure as soon as what runs has ended.
 */
export async function boundedEach<T>(
  items: readonly T[],
  parallel: number,
  work: (item: T) => Promise<void>
): Promise<void> {
  let next = 0
  let failure: { readonly error: unknown } | undefined
  const worker = async (): Promise<void> => {
    while (next < items.length && failure === undefined) {
      const item = items[next] as T
      next += 1
      try {
        await work(item)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  const workers: Promise<void>[] = []
  for (let i = 0; i < Math.min(parallel, items.length); i += 1) workers.push(worker())
  await Promise.all(workers)
  if (failure !== undefined) throw failure.error
}
