import type { NetworkPlan, Plan } from './runner/plan.ts'

const least: NetworkPlan = {
  kind: 'network',
  seed: 0,
  policy: 'assigned',
  producers: 1,
  access: 2,
  strangers: [],
  delayMs: [20, 60],
  jitterMs: 0,
  uplinkMbit: 100,
  slow: 0,
  storeMs: 0,
  budgetBlocks: 4,
  blobs: [{ atMs: 0, bytes: 512, hot: false }],
  faults: []
}

/** Plans that failed once, as small as they could be made, and what they found. */
export const KEPT_PLANS: readonly { readonly found: string; readonly plan: Plan }[] = [
  {
    found: 'a question whose answer was on a stream that broke stood for ever',
    plan: { ...least, seed: 4, faults: [{ kind: 'reset', atMs: 206, forMs: 1, a: 0, b: 1 }] }
  },
  {
    found: 'a question whose cancel was on a stream that broke stayed in the ledger',
    plan: { ...least, access: 3, faults: [{ kind: 'break', atMs: 200, forMs: 1, a: 3, b: 0 }] }
  },
  // Of the simulation itself: a killed process began a download when the feed spoke.
  { found: 'more downloads at once than allowed', plan: { kind: 'heights', seed: 20, blocks: 94 } }
]
