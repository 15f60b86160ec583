import assert from 'node:assert/strict'
import { type Blob, blobOf, type DigestKey } from '#src/model/index.ts'
import { misbehave } from '#test/support/exchange/byzantine.ts'
import { make } from '#test/support/exchange/herd.ts'
import { checkInvariants } from '#test/support/exchange/invariants.ts'
import { createSim, SCALE, type Sim, type SimShape, simBlob } from '#test/support/exchange/sim.ts'
import type { SimNode } from '#test/support/exchange/sim-node.ts'
import { Faults } from './chaos-faults.ts'
import { leftOver, nameOf, stuckWants, type Wishes } from './chaos-checks.ts'
import { LARGEST, type NetworkPlan } from './plan.ts'

/**
 * Once nothing is at fault any more and all is announced, everything must be there within this, ms of virtual time, and
 * as long again as one uplink takes for all of it twice.
 */
const BOUND_MS = { assigned: 60_000, classic: 180_000 } as const
/** A cold blob is wanted so long after it was made at the most. */
const COLD_AFTER_MS = 3000
/** And then nothing may be left within this, ms. */
const QUIET_BOUND_MS = 300_000
/** After each event the nodes that had a turn are checked; after so many, all. */
const CHECK_ALL_EVENTS = 4096
/** What a torn store has lost, of what its node had fetched. */
const TORN_SHARE = 0.3

export interface ChaosResult {
  /** Until the last fault has ended and the last blob is wanted; what follows is not counted as time of the simulation. */
  readonly virtualMs: number
  readonly events: number
  readonly deliveries: number
  /** From the last fault's end until the last blob was everywhere. */
  readonly recoveryMs: number
}

/** A plan on its way: who wants what, what is at fault, and what must hold all the time. */
export class ChaosWorld {
  readonly #plan: NetworkPlan
  readonly #sim: Sim
  readonly #faults: Faults
  readonly #blobs = new Map<DigestKey, Blob>()
  readonly #wishes = new Map<SimNode, Wishes>()
  /** Had a turn since the last check. */
  readonly #touched = new Set<SimNode>()
  readonly #budget: number
  readonly #healedAt: number
  #events = 0
  #deliveries = 0
  #lastDeliveryAt = 0
  #over = false
  #broken: Error | undefined

  constructor(plan: NetworkPlan) {
    this.#plan = plan
    this.#budget = (LARGEST / SCALE) * plan.budgetBlocks
    const ends = plan.faults.map(({ atMs, forMs }) => atMs + forMs)
    this.#healedAt = Math.max(...ends, ...plan.blobs.map(({ atMs }) => atMs + COLD_AFTER_MS)) + 1
    this.#sim = createSim(this.#shape(), plan.strangers.length)
    this.#faults = new Faults(this.#sim, {
      giveUp: (node, reason) => this.#wishes.get(node)?.controller.abort(new Error(reason)),
      wantAll: (node) => this.#wantAll(node),
      lose: (node) => this.#lose(node)
    })
  }

  /** Runs it to its end. Throws AssertionError for whatever does not hold. */
  async run(): Promise<ChaosResult> {
    this.#begin()
    const { clock } = this.#sim
    const check = (): void => this.#check()
    await clock.run(this.#healedAt, check)
    assert.equal(this.#faults.lasting, 0, 'a fault that does not end')
    this.#over = true
    const bound = this.#healedAt + this.#boundMs()
    while (this.#missing() > 0 && clock.now() < bound) await clock.run(clock.now() + 1000, check)
    assert.equal(this.#missing(), 0, `${this.#missing()} wants are stuck: ${stuckWants(this.#sim, this.#wishes)}`)
    // What is still on its way arrives, or is given up; a slow uplink may have much to bring.
    const end = clock.now() + QUIET_BOUND_MS
    do await clock.run(clock.now() + 1000, check)
    while (leftOver(this.#sim) !== undefined && clock.now() < end)
    assert.ok(leftOver(this.#sim) === undefined, leftOver(this.#sim))
    this.#checkStores()
    await this.#sim.stop()
    return {
      virtualMs: this.#healedAt,
      events: this.#events,
      deliveries: this.#deliveries,
      recoveryMs: Math.max(0, this.#lastDeliveryAt - this.#healedAt)
    }
  }

  #shape(): SimShape {
    const { seed, producers, access, delayMs, jitterMs, uplinkMbit, slow, policy } = this.#plan
    const maxBlockBytes = LARGEST / SCALE
    return {
      seed,
      producers,
      access,
      delayMs,
      jitterMs,
      uplinkBits: uplinkMbit * 1e6,
      uplinkBitsOf: (number) => {
        const last = number < producers + access && number >= producers + access - slow
        return last ? (uplinkMbit * 1e6) / 3 : undefined
      },
      options: {
        policy,
        maxBlockBytes,
        client: { receiveBytes: this.#budget },
        server: { sendBytes: this.#budget }
      },
      onTurn: (node) => this.#touched.add(node)
    }
  }

  #boundMs(): number {
    const { policy, blobs, access, producers, uplinkMbit, slow } = this.#plan
    const bytes = blobs.reduce((sum, blob) => sum + blob.bytes, 0) * (access + producers)
    const bytesPerMs = (uplinkMbit * 125) / (slow > 0 ? 3 : 1)
    return BOUND_MS[policy] + (2 * bytes) / bytesPerMs
  }

  #begin(): void {
    const { sim, plan } = { sim: this.#sim, plan: this.#plan }
    for (const node of sim.nodes) {
      this.#wishes.set(node, { controller: new AbortController(), wanted: new Map(), had: new Map() })
      node.blobs.delayMs = () => sim.rng.next() * plan.storeMs
    }
    plan.strangers.forEach((behaviour, index) => {
      const peer = sim.strangers[index]
      if (peer !== undefined) misbehave({ sim, peer, behaviour, blobs: this.#blobs, over: () => this.#over })
    })
    plan.blobs.forEach(({ atMs, bytes, hot }, index) => {
      const blob = simBlob(index, bytes)
      this.#blobs.set(blob.cid.key, blob)
      sim.clock.setTimer(atMs, () => this.#announce(blob, hot))
    })
    for (const fault of plan.faults) this.#faults.plant(fault)
  }

  /** Made by the producers; hot: everybody wants it at once, cold: a while later, and the last producer is one of those. */
  #announce(blob: Blob, hot: boolean): void {
    const { producers, nodes, clock, rng } = this.#sim
    const makers = hot ? producers : producers.slice(0, Math.max(1, producers.length - 1))
    for (const node of makers) {
      this.#touched.add(node)
      node.blobs.put(blob)
      if (node.up) make(node, blob)
    }
    for (const node of nodes) {
      if (makers.includes(node)) continue
      clock.setTimer(3 + rng.next() * (hot ? 30 : COLD_AFTER_MS - 10), () => {
        this.#wishes.get(node)?.wanted.set(blob.cid.key, { blob, hot })
        this.#want(node, blob, hot)
      })
    }
  }

  #want(node: SimNode, blob: Blob, hot: boolean): void {
    const wishes = this.#wishes.get(node)
    if (!node.up || wishes === undefined || !wishes.wanted.has(blob.cid.key)) return
    this.#touched.add(node)
    const { signal } = wishes.controller
    const origins = this.#sim.producers.map(({ peer }) => peer)
    const session = node.exchange.createSession({ temperature: hot ? 'hot' : 'cold', ...(hot ? { origins } : {}) })
    void session.fetch(blob.cid, { signal }).then(
      (got) => this.#got(node, blob, got),
      () => {}
    )
  }

  #got(node: SimNode, blob: Blob, got: Blob): void {
    if (Buffer.compare(got.bytes, blob.bytes) !== 0) this.#broken ??= new Error('other bytes than asked for')
    const wishes = this.#wishes.get(node)
    wishes?.wanted.delete(blob.cid.key)
    wishes?.had.set(blob.cid.key, blob)
    this.#deliveries += 1
    this.#lastDeliveryAt = this.#sim.clock.now()
    if (node.up) make(node, got)
  }

  #wantAll(node: SimNode): void {
    const wishes = this.#wishes.get(node)
    if (wishes === undefined) return
    this.#touched.add(node)
    wishes.controller.abort(new Error('given up'))
    wishes.controller = new AbortController()
    for (const { blob, hot } of wishes.wanted.values()) this.#want(node, blob, hot)
  }

  #lose(node: SimNode): void {
    const wishes = this.#wishes.get(node)
    for (const [key, blob] of [...(wishes?.had ?? [])]) {
      if (this.#sim.rng.next() > TORN_SHARE) continue
      node.blobs.held.delete(key)
      wishes?.had.delete(key)
      wishes?.wanted.set(key, { blob, hot: false })
    }
  }

  #check(): void {
    this.#events += 1
    if (this.#events % CHECK_ALL_EVENTS === 0) for (const node of this.#sim.nodes) this.#touched.add(node)
    for (const node of this.#touched) this.#checkNode(node)
    this.#touched.clear()
    if (this.#broken !== undefined) assert.fail(this.#broken.message)
  }

  #checkNode(node: SimNode): void {
    if (!node.up) return
    checkInvariants(node)
    const { receivingBytes, server } = node.exchange
    assert.ok(receivingBytes >= 0 && receivingBytes <= this.#budget, `${receivingBytes} bytes are being received`)
    assert.ok(server.bytesInFlight <= this.#budget, `${server.bytesInFlight} bytes are being sent`)
    for (const { peer, reason } of node.port.penalties) {
      const honest = this.#sim.nodes.some((other) => other.peer === peer)
      assert.ok(!honest, `${nameOf(this.#sim, node.peer)} takes ${nameOf(this.#sim, peer)} for a liar: ${reason}`)
    }
  }

  /** Whatever lies in a store is what its name says. */
  #checkStores(): void {
    for (const { blobs } of this.#sim.nodes) {
      for (const [key, { bytes }] of blobs.held) assert.equal(blobOf(bytes).cid.key, key, 'a blob that is not verified')
    }
  }

  #missing(): number {
    let missing = 0
    for (const { wanted } of this.#wishes.values()) missing += wanted.size
    return missing
  }
}
