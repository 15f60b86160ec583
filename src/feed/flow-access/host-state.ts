import type { Height } from '../../model/index.ts'
import { type BackoffOptions, backoffMs, type Rng } from '../../util/index.ts'
import type { AccessHost } from './access-host.ts'

/** A host, and how it has behaved. */
export class HostState {
  readonly access: AccessHost
  readonly #backoff: BackoffOptions
  readonly #rng: Rng
  /** Failures in a row. */
  failures = 0
  /** Not asked before this time. */
  notBefore = 0
  /** Its latest sealed height, by its own last word. */
  latest: Height | undefined

  constructor(access: AccessHost, backoff: BackoffOptions, rng: Rng) {
    this.access = access
    this.#backoff = backoff
    this.#rng = rng
  }

  isUsable(now: number): boolean {
    return now >= this.notBefore
  }

  succeeded(): void {
    this.failures = 0
    this.notBefore = 0
  }

  failed(now: number): void {
    this.notBefore = now + this.pause(this.failures)
    this.failures += 1
  }

  /** The pause before try `attempt` is repeated, ms. */
  pause(attempt: number): number {
    return backoffMs(attempt, this.#backoff, this.#rng)
  }
}
