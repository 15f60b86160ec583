import { AdminClient, ApiError } from '#src/api/index.ts'
import { systemClock } from '#src/util/index.ts'

/** The admin client of the node that runs on a data directory; `undefined` when none does. */
export async function runningNode(dataDir: string): Promise<AdminClient | undefined> {
  try {
    return await AdminClient.connect(dataDir, { clock: systemClock })
  } catch (error) {
    if (error instanceof ApiError && error.code === 'not-running') return undefined
    throw error
  }
}
