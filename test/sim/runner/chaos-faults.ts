import type { Sim } from '#test/support/exchange/sim.ts'
import type { SimNode } from '#test/support/exchange/sim-node.ts'
import type { Fault } from './plan.ts'

/** What faults do to what nodes wait for. */
export interface FaultHooks {
  /** Whatever the node waits for is given up. */
  giveUp(node: SimNode, reason: string): void
  /** It is asked for again. */
  wantAll(node: SimNode): void
  /** Part of what the node has fetched is gone. */
  lose(node: SimNode): void
}

interface Harm {
  readonly one: SimNode
  readonly other: SimNode
  readonly fault: Fault
}

/** Ends a fault. */
type End = () => void

/** The faults of a plan, at their times. */
export class Faults {
  readonly #sim: Sim
  readonly #hooks: FaultHooks
  #lasting = 0

  constructor(sim: Sim, hooks: FaultHooks) {
    this.#sim = sim
    this.#hooks = hooks
  }

  /** Those that have begun and not ended. */
  get lasting(): number {
    return this.#lasting
  }

  plant(fault: Fault): void {
    const { nodes, clock } = this.#sim
    const [one, other] = [nodes[fault.a % nodes.length], nodes[fault.b % nodes.length]]
    if (one === undefined || other === undefined) return
    clock.setTimer(fault.atMs, () => {
      const end = this.#harm({ one, other, fault })
      if (end === undefined) return
      this.#lasting += 1
      clock.setTimer(fault.forMs, () => {
        this.#lasting -= 1
        end()
      })
    })
  }

  #harm({ one, other, fault }: Harm): End | undefined {
    const { kind, forMs } = fault
    if (kind === 'silence') return this.#silence(one)
    if (kind === 'stall') {
      if (one.up) one.stall(forMs)
      return () => {}
    }
    if (kind === 'crash' || kind === 'torn') return this.#crash(one, kind === 'torn')
    if (kind === 'store') return this.#failStore(one)
    if (kind === 'split') return this.#split()
    if (kind === 'abort') {
      this.#hooks.giveUp(one, 'given up')
      return () => this.#hooks.wantAll(one)
    }
    return one === other ? undefined : this.#harmLink({ one, other, fault })
  }

  #harmLink({ one, other, fault: { kind, atMs } }: Harm): End | undefined {
    const { network } = this.#sim
    if (kind === 'part') {
      network.disconnect(one.peer, other.peer)
      return () => this.#meet(one, other)
    }
    if (kind === 'hold') {
      network.hold(one.peer, other.peer)
      return () => network.release(one.peer, other.peer)
    }
    if (kind === 'reset') network.breakStream(one.peer, other.peer, atMs)
    else network.breakStreams(one.peer, other.peer)
    return undefined
  }

  #silence(node: SimNode): End | undefined {
    if (!node.up || node.port.silent) return undefined
    this.#sim.network.silence(node.peer)
    return () => {
      if (node.up) this.#sim.network.wake(node.peer)
    }
  }

  #crash(node: SimNode, torn: boolean): End | undefined {
    if (!node.up) return undefined
    node.crash()
    this.#hooks.giveUp(node, 'crashed')
    return () => {
      if (torn) this.#hooks.lose(node)
      node.restart()
      for (const other of this.#sim.nodes) this.#meet(node, other)
      for (const stranger of this.#sim.strangers) this.#sim.network.connect(node.peer, stranger)
      this.#hooks.wantAll(node)
    }
  }

  #failStore(node: SimNode): End {
    const { delayMs } = node.blobs
    node.blobs.delayMs = () => (this.#sim.rng.next() < 0.5 ? 'fails' : 0)
    return () => {
      node.blobs.delayMs = delayMs
    }
  }

  #split(): End {
    const { nodes, network } = this.#sim
    const half = Math.ceil(nodes.length / 2)
    const pairs = nodes.slice(0, half).flatMap((a) => nodes.slice(half).map((b) => [a.peer, b.peer] as const))
    for (const [a, b] of pairs) network.hold(a, b)
    return () => {
      for (const [a, b] of pairs) network.release(a, b)
    }
  }

  #meet(a: SimNode, b: SimNode): void {
    if (a !== b && a.up && b.up) this.#sim.network.connect(a.peer, b.peer)
  }
}
