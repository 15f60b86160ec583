import fc from 'fast-check'
import { BEHAVIOURS, type Behaviour } from '#test/support/exchange/byzantine.ts'

/**
 * - `silence`: the node hears and says nothing, its connections stay.
 * - `stall`: its process gets no CPU.
 * - `crash`: its process ends; another starts on what was stored.
 * - `torn`: the same, and part of what was stored is gone.
 * - `part`: the connection of two nodes closes; later they meet again.
 * - `hold`: nothing arrives between two nodes, and neither is told.
 * - `split`: nothing arrives between the first half of the nodes and the other.
 * - `break`: all streams between two nodes break.
 * - `reset`: one of them does.
 * - `store`: the node's store fails.
 * - `abort`: whatever the node waits for is given up, and asked for again later.
 */
export const FAULTS = [
  'silence',
  'stall',
  'crash',
  'torn',
  'part',
  'hold',
  'split',
  'break',
  'reset',
  'store',
  'abort'
] as const

export interface Fault {
  readonly kind: (typeof FAULTS)[number]
  readonly atMs: number
  readonly forMs: number
  /** Nodes, by number; taken modulo their count. */
  readonly a: number
  readonly b: number
}

/** A network of exchanges; everything that a run depends on. */
export interface NetworkPlan {
  readonly kind: 'network'
  readonly seed: number
  readonly policy: 'assigned' | 'classic'
  readonly producers: number
  readonly access: number
  readonly strangers: readonly Behaviour[]
  readonly delayMs: readonly [number, number]
  /** Most that a segment is late, ms: two streams between two nodes overtake each other. */
  readonly jitterMs: number
  readonly uplinkMbit: number
  /** Nodes, the last ones, with a third of the uplink. Less than 64 KiB/s for each of all askers at once is no network. */
  readonly slow: number
  /** How long a store takes at most, ms. */
  readonly storeMs: number
  /** Bytes that blocks under way may take at a node, received and sent: so many blocks of the largest size. */
  readonly budgetBlocks: number
  readonly blobs: readonly { readonly atMs: number; readonly bytes: number; readonly hot: boolean }[]
  readonly faults: readonly Fault[]
}

/** A requester that follows a chain from an unreliable feed, over downloads that fail and hang, and is killed now and then. */
export interface HeightsPlan {
  readonly kind: 'heights'
  readonly seed: number
  readonly blocks: number
}

export type Plan = NetworkPlan | HeightsPlan

/** Faults begin within this; each of them ends. */
const FAULTS_MS = 45_000
/** Largest blob of a plan. */
export const LARGEST = 2_097_152

const fault = (nodes: number): fc.Arbitrary<Fault> =>
  fc.record({
    kind: fc.constantFrom(...FAULTS),
    atMs: fc.integer({ min: 0, max: FAULTS_MS }),
    forMs: fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1000, max: 20_000 })),
    a: fc.nat(nodes),
    b: fc.nat(nodes)
  })

const blob = (largest: number): fc.Arbitrary<NetworkPlan['blobs'][number]> =>
  fc.record({
    atMs: fc.integer({ min: 0, max: FAULTS_MS }),
    bytes: fc.oneof(fc.integer({ min: 512, max: 65_536 }), fc.integer({ min: 65_536, max: largest })),
    hot: fc.boolean()
  })

const delayMs: fc.Arbitrary<readonly [number, number]> = fc
  .tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 100 }))
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)

interface Size {
  readonly access: readonly [number, number]
  readonly uplinkMbit: readonly number[]
  readonly largest: number
  readonly blobs: number
  readonly faults: number
}

const network = ({ access: [least, most], uplinkMbit, largest, blobs, faults }: Size): fc.Arbitrary<NetworkPlan> =>
  fc.record({
    kind: fc.constant('network' as const),
    seed: fc.nat(),
    policy: fc.oneof({ weight: 4, arbitrary: fc.constant('assigned' as const) }, fc.constant('classic' as const)),
    producers: fc.integer({ min: 1, max: 3 }),
    access: fc.integer({ min: least, max: most }),
    strangers: fc.array(fc.constantFrom(...BEHAVIOURS), { maxLength: 3, size: 'max' }),
    delayMs,
    jitterMs: fc.constantFrom(0, 0, 5, 50),
    uplinkMbit: fc.constantFrom(...uplinkMbit),
    slow: fc.integer({ min: 0, max: 2 }),
    storeMs: fc.constantFrom(0, 0, 5, 50),
    budgetBlocks: fc.integer({ min: 1, max: 8 }),
    blobs: fc.array(blob(largest), { minLength: 1, maxLength: blobs, size: 'max' }),
    faults: fc.array(fault(most + 3), { maxLength: faults, size: 'max' })
  })

const small = network({
  access: [1, 10],
  uplinkMbit: [1000, 300, 100, 30],
  largest: LARGEST,
  blobs: 40,
  faults: 16
})
const large = network({ access: [11, 40], uplinkMbit: [1000, 300], largest: LARGEST, blobs: 20, faults: 20 })
const crowd = network({ access: [100, 250], uplinkMbit: [1000], largest: 262_144, blobs: 6, faults: 12 })
export const heightsPlans: fc.Arbitrary<Plan> = fc.record({
  kind: fc.constant('heights' as const),
  seed: fc.nat(),
  blocks: fc.integer({ min: 10, max: 150 })
})

/** Plans of any kind; they shrink towards few nodes, few blobs and few faults. */
export const plans: fc.Arbitrary<Plan> = fc.oneof(
  { weight: 80, arbitrary: small },
  { weight: 10, arbitrary: large },
  { weight: 1, arbitrary: crowd },
  { weight: 9, arbitrary: heightsPlans }
)

/** Those that take a second or so each. */
export const smallPlans: fc.Arbitrary<Plan> = fc.oneof({ weight: 10, arbitrary: small }, heightsPlans)
