import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { quantile } from '#test/support/exchange/herd.ts'
import type { Failure, Trial } from './chaos.ts'
import type { NetworkPlan, Plan } from './plan.ts'
import { type Outcome, round, type Row, type Scenario, type ScenarioOptions } from './scenario.ts'

/** Failures after which no more plans are begun. */
const MOST_FAILURES = 5

export const chaos: Scenario = {
  name: 'chaos',
  summary: 'random faults of random networks, invariants after each event; without --scenario it is this one',
  defaults: {},
  run: runChaos
}

type Success = Exclude<Trial, { failure: Failure }>

async function runChaos(options: ScenarioOptions, progress: (line: string) => void): Promise<Outcome> {
  const done: Success[] = []
  const failures: Failure[] = []
  let minutes = 0
  await withWorkers(options.seed, {
    enough: () => failures.length >= MOST_FAILURES || (minutes >= options.minutes && done.length + failures.length > 0),
    report: (trial) => {
      if ('failure' in trial) failures.push(trial.failure)
      else {
        done.push(trial)
        minutes += trial.result.virtualMs / 60_000
      }
      progress(
        `${minutes.toFixed(0)} of ${options.minutes} virtual minutes, ${done.length} plans, ${failures.length} failed`
      )
    }
  })
  const sum = (of: (result: Success['result']) => number): number =>
    done.reduce((total, { result }) => total + of(result), 0)
  const recoveries = done.map(({ result }) => result.recoveryMs).sort((a, b) => a - b)
  return {
    figures: {
      plans: done.length + failures.length,
      failed: failures.length,
      virtualMinutes: round(minutes),
      firstSeed: options.seed,
      lastSeed: options.seed + done.length + failures.length - 1,
      events: sum(({ events }) => events),
      deliveries: sum(({ deliveries }) => deliveries),
      recoveryMs: {
        p50: round(quantile(recoveries, 0.5)),
        p99: round(quantile(recoveries, 0.99)),
        max: round(recoveries.at(-1) ?? 0)
      }
    },
    goals: [],
    broken: failures.map(
      ({ seed, message, plan }) =>
        `seed ${seed}: ${message} (again: npm run sim -- --seed ${seed} --minutes 0; smallest plan ${JSON.stringify(plan)})`
    ),
    rows: rowsOf(done)
  }
}

/** Seeds, one after the other, go to as many workers as the machine has processors. */
async function withWorkers(
  first: number,
  use: { readonly enough: () => boolean; readonly report: (trial: Trial) => void }
): Promise<void> {
  let next = first
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL('chaos-worker.ts', import.meta.url))
    try {
      // A single one at the least, and no second when the first may do.
      while (next === first || !use.enough()) {
        const seed = next
        next += 1
        worker.postMessage(seed)
        const [trial] = (await once(worker, 'message')) as [Trial]
        use.report(trial)
      }
    } finally {
      await worker.terminate()
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
}

/** One row for each policy, kind of fault and kind of peer: what plans with it came to. */
function rowsOf(done: readonly Success[]): Row[] {
  const groups = new Map<string, Success[]>()
  for (const success of done) {
    for (const name of namesOf(success.plan)) groups.set(name, [...(groups.get(name) ?? []), success])
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, all]) => ({
      with: name,
      plans: all.length,
      deliveries: all.reduce((total, { result }) => total + result.deliveries, 0),
      'virtual minutes': Math.round(all.reduce((total, { result }) => total + result.virtualMs, 0) / 60_000),
      'slowest recovery ms': Math.round(Math.max(...all.map(({ result }) => result.recoveryMs)))
    }))
}

const namesOf = (plan: Plan): ReadonlySet<string> =>
  plan.kind === 'heights' ? new Set(['heights, killed']) : namesOfNetwork(plan)

const namesOfNetwork = (plan: NetworkPlan): ReadonlySet<string> =>
  new Set([
    `nodes ${plan.access >= 100 ? 'hundreds' : plan.access > 10 ? 'tens' : 'few'}`,
    `policy ${plan.policy}`,
    ...plan.faults.map(({ kind }) => `fault ${kind}`),
    ...plan.strangers.map((behaviour) => `peer ${behaviour}`)
  ])
