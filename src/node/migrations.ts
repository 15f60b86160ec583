import type { Logger } from '../log/index.ts'
import { migrateSegmentSpace, type Migration } from '../store/index.ts'
import { migrateReferences, migrateTracker } from '../tracker/index.ts'
import type { Clock } from '../util/index.ts'

/** What leads from older schemas of a data directory to this release's, one for each. */
export function migrations({
  clock,
  logger
}: {
  readonly clock: Clock
  readonly logger: Logger
}): readonly Migration[] {
  const log = logger.child('store')
  return [
    {
      to: 2,
      async run(database) {
        log.info({ to: 2 }, 'the data directory is brought to the schema of this release')
        await migrateTracker(database.space('tracker'), clock.wallNow())
        await migrateSegmentSpace(database.space('blobs'), database.space('migration'))
      }
    },
    {
      to: 3,
      async run(database) {
        log.info({ to: 3 }, 'the data directory is brought to the schema of this release')
        await migrateReferences(database.space('tracker'))
      }
    }
  ]
}
