import type { Logger } from '../log/index.ts'
import { migrateSegmentSpace, type Migration } from '../store/index.ts'
import { migrateTracker } from '../tracker/index.ts'
import type { Clock } from '../util/index.ts'

/** What leads from older schemas of a data directory to this release's, one for each. */
export function migrations({
  clock,
  logger
}: {
  readonly clock: Clock
  readonly logger: Logger
}): readonly Migration[] {
  return [
    {
      to: 2,
      async run(database) {
        logger.child('store').info({ to: 2 }, 'the data directory is brought to the schema of this release')
        await migrateTracker(database.space('tracker'), clock.wallNow())
        await migrateSegmentSpace(database.space('blobs'), database.space('migration'))
      }
    }
  ]
}
