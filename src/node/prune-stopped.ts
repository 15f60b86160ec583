import type { Height } from '../model/index.ts'
import type { PrunePlan, PrunerOptions, PrunerStatus } from '../pruner/index.ts'
import { PROGRESS } from '../requester/index.ts'
import { silentLogger } from '../log/index.ts'
import { sleep, systemClock } from '../util/index.ts'
import { initialisedRole } from './init.ts'
import { createPruning } from './pruning-stage.ts'
import { openStoppedData } from './stopped-data.ts'

export interface PruneStoppedRequest {
  readonly dataDir: string
  /** Prune what lies below; without it, what retention does not keep. */
  readonly below?: Height
  readonly dryRun: boolean
  readonly options: Partial<PrunerOptions>
}

/** Between two reports of progress, ms. */
const PROGRESS_MS = 1_000

/**
 * Prunes the directory of a stopped node. Throws NodeError `config` where there is no node, StoreError `locked` when it runs, PrunerError
 * `not-held`.
 */
export async function pruneStopped(
  request: PruneStoppedRequest,
  hooks: { readonly signal: AbortSignal; readonly onProgress?: (status: PrunerStatus) => void }
): Promise<PrunePlan | PrunerStatus> {
  const { data, register } = await openStoppedData(request.dataDir)
  const { below, dryRun, options } = request
  const { signal } = hooks
  try {
    const doneWith = await doneWithOf(request.dataDir, data)
    const pruner = createPruning(
      {
        data,
        register,
        logger: silentLogger,
        clock: systemClock,
        doneWith: () => doneWith,
        load: () => ({ queue: 0, diskPressure: 0 })
      },
      // Nothing else has to be done: no pauses.
      { ...options, idleShare: 1 }
    )
    if (dryRun) return await pruner.plan({ signal, ...(below === undefined ? {} : { below }) })
    const reporting = new AbortController()
    const report = reportEvery(pruner.status.bind(pruner), { ...hooks, signal: reporting.signal })
    await pruner.start()
    try {
      if (below === undefined) await pruner.settled({ signal })
      else await pruner.pruneBelow(below, { signal })
      return pruner.status()
    } finally {
      reporting.abort()
      await report
      await pruner.stop()
    }
  } finally {
    await data.close()
  }
}

async function doneWithOf(
  dataDir: string,
  data: Awaited<ReturnType<typeof openStoppedData>>['data']
): Promise<Height | undefined> {
  if ((await initialisedRole(dataDir)) === 'execution') return data.tracker.highest
  return data.progress.get(PROGRESS.notified)
}

async function reportEvery(
  status: () => PrunerStatus,
  { signal, onProgress }: { readonly signal: AbortSignal; readonly onProgress?: (status: PrunerStatus) => void }
): Promise<void> {
  while (!signal.aborted) {
    await sleep(systemClock, PROGRESS_MS, signal).catch(() => undefined)
    if (!signal.aborted) onProgress?.(status())
  }
}
