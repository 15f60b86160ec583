import { createVerifierMetrics, type Pruner } from '../pruner/index.ts'
import type { NodeContext } from './context.ts'
import { createFollowing, type JobParts } from './following-stage.ts'
import type { NodeJob } from './job.ts'
import { createProducing } from './producing-stage.ts'
import { createPruning } from './pruning-stage.ts'
import type { Serving } from './serving-stage.ts'
import { createVerifier } from './store-check.ts'
import { readWindDown } from './wind-down-record.ts'
import { retiredJob, WindingDown } from './wind-down-stage.ts'

export interface WorkParts extends Omit<JobParts, 'disk'> {
  readonly serving: Serving
  readonly requestStop: () => void
}

/** Services of a job that has to do with what is new; the others go on while a node winds down. */
const OF_THE_FEED = ['progress', 'requester', 'provider', 'announce', 'feed']

/**
 * What the node does: follows or announces, prunes, and one day winds down. A node that was told to wind down takes up no job again.
 * Adds its services to the stack.
 */
export async function createWork(context: NodeContext, parts: WorkParts): Promise<WindingDown> {
  const { config, services } = context
  const { data, network, serving } = parts
  const record = await readWindDown(config.dataDir)
  const ordered = record !== undefined && record.state !== 'done'
  const jobParts = { ...parts, disk: serving.disk }
  let job: NodeJob
  if (ordered && record.below === null) {
    services.add('host', network.host)
    job = retiredJob(data)
  } else {
    job =
      config.role === 'execution' ? await createProducing(context, jobParts) : await createFollowing(context, jobParts)
  }
  const pruner = nodePruner(context, parts, () => job)
  const windingDown = new WindingDown(context, {
    data,
    pruner,
    async leaveFeed() {
      await services.leave(OF_THE_FEED)
      job = retiredJob(data)
      serving.attach(job, { pruner, windingDown, verifier })
    },
    tellPeers: () => network.exchange.windDown(),
    end: parts.requestStop
  })
  if (ordered) windingDown.resume(record)
  const repairSession = network.exchange.createSession({ temperature: 'cold' })
  data.repairing.connect((cid, options) => repairSession.fetch(cid, options))
  services.add('repair', data.repairing)
  const verifier = createVerifier(data, { logger: context.logger.child('store'), clock: context.clock })
  createVerifierMetrics(context.register).levels(() => verifier.status())
  services.add('verify', verifier)
  services.add('pruner', pruner)
  services.add('wind-down', windingDown.service)
  serving.attach(job, { pruner, windingDown, verifier })
  return windingDown
}

function nodePruner(
  { config, register, logger, clock }: NodeContext,
  { data, network, serving }: WorkParts,
  job: () => NodeJob
): Pruner {
  const pruner = createPruning(
    {
      data,
      doneWith: () => job().doneWith(),
      load: () => ({
        queue: data.segments.waiting + network.exchange.status().wants.live,
        diskPressure: serving.disk.pressure
      }),
      ...(network.dht === undefined ? {} : { withdraw: (cids) => network.dht?.withdraw(cids) ?? Promise.resolve() }),
      register,
      logger: logger.child('pruner'),
      clock
    },
    config.pruner
  )
  // What a stop out of order left stored and tracked nowhere.
  if (data.directory.uncleanOwner !== undefined) pruner.findOrphans()
  return pruner
}
