import fc from 'fast-check'
import { syncThroughKills } from '#test/support/requester/sync-run.ts'
import { type ChaosResult, ChaosWorld } from './chaos-world.ts'
import { type Plan, plans } from './plan.ts'

/** A failure is made smaller for so long, ms of real time. */
const SHRINK_MS = 60_000

export interface Failure {
  readonly seed: number
  readonly message: string
  /** The smallest plan that was found to fail. */
  readonly plan: Plan
}

export type Trial = { readonly result: ChaosResult; readonly plan: Plan } | { readonly failure: Failure }

/** Throws for whatever does not hold. */
export async function runPlan(plan: Plan): Promise<ChaosResult> {
  if (plan.kind === 'network') return new ChaosWorld(plan).run()
  const world = await syncThroughKills(plan.seed, plan.blocks)
  return { virtualMs: world.clock.now(), events: world.kills, deliveries: world.fetched, recoveryMs: 0 }
}

/** One plan, drawn from the seed; a failing one is shrunk. */
export async function trial(seed: number, from: fc.Arbitrary<Plan> = plans): Promise<Trial> {
  const drawn = fc.sample(from, { seed, numRuns: 1 })[0]
  if (drawn === undefined) throw new Error('no plan was drawn')
  let failure: Failure
  try {
    return { result: await runPlan(drawn), plan: drawn }
  } catch (error) {
    failure = { seed, message: messageOf(error), plan: drawn }
  }
  const property = fc.asyncProperty(from, async (plan) => {
    await runPlan(plan)
  })
  const { counterexample, errorInstance } = await fc.check(property, {
    seed,
    numRuns: 1,
    interruptAfterTimeLimit: SHRINK_MS,
    markInterruptAsFailure: true
  })
  const plan = counterexample?.[0]
  return { failure: plan === undefined ? failure : { seed, message: messageOf(errorInstance), plan } }
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
