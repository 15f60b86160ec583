import type { Rng } from '#src/util/index.ts'

/** The one plug of a simulated machine: after a number of operations, everything that hangs on it stops at once. */
export class Power {
  #left: number

  constructor(operations: number = Number.POSITIVE_INFINITY) {
    this.#left = operations
  }

  get isOn(): boolean {
    return this.#left > 0
  }

  /** Called by every device before an operation takes effect, and after it before it reports. */
  use(): void {
    this.check()
    this.#left -= 1
  }

  check(): void {
    if (!this.isOn) throw new PowerCut()
  }

  cut(): void {
    this.#left = 0
  }
}

class PowerCut extends Error {
  readonly code = 'POWER_CUT'
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code })
}

export const pick = (rng: Rng, below: number): number => Math.floor(rng.next() * below)
