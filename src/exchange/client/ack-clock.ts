import type { ClientOptions } from '../options.ts'

/** The slowest acknowledgement of late counts for less and less: half after this. */
const HALF_LIFE_MS = 120_000
/** A silence that ends within this was a stall, and its length says how long stalls are here; a longer one is an outage. */
export const LONGEST_STALL_MS = 1000
/** For what no measurement has seen, ms. */
const MARGIN_MS = 60

/**
 * How long one peer may take to acknowledge a want: TCP's estimator (RFC 6298), and no less than half as long again as
 * the slowest acknowledgement of late. Acknowledgements that came too late count, or the clock would only ever learn
 * from those that were quick enough for it.
 */
export class AckClock {
  #rtt = 0
  #variance = 0
  #slowest = 0
  #slowestAt = 0

  get rttMs(): number | undefined {
    return this.#rtt === 0 ? undefined : this.#rtt
  }

  /** The peer answered after so long. */
  sample(ms: number, now: number): void {
    const sample = Math.max(0.1, ms)
    this.late(sample, now)
    if (this.#rtt === 0) {
      this.#rtt = sample
      this.#variance = sample / 2
      return
    }
    this.#variance += (Math.abs(sample - this.#rtt) - this.#variance) / 4
    this.#rtt += (sample - this.#rtt) / 8
  }

  /** It was quiet for so long and was there all the time. Says nothing about the usual. */
  late(ms: number, now: number): void {
    if (ms <= this.slowest(now)) return
    this.#slowest = ms
    this.#slowestAt = now
  }

  slowest(now: number): number {
    return this.#slowest * 2 ** ((this.#slowestAt - now) / HALF_LIFE_MS)
  }

  /** `floorMs` as all peers together have taught it. */
  ms(now: number, floorMs: number, options: ClientOptions): number {
    const { ackFloorMs, ackCeilingMs, ackUnknownMs } = options
    const seen = Math.max(floorMs, 1.5 * this.slowest(now))
    const usual = this.#rtt + Math.max(this.#rtt / 2, 4 * this.#variance)
    const expected = this.#rtt === 0 ? Math.max(ackUnknownMs, seen) : Math.max(usual, seen) + MARGIN_MS
    return Math.min(ackCeilingMs, Math.max(ackFloorMs, expected))
  }
}

/** How often the peers are gone through, ms. */
const RENEW_MS = 1000
const FLOOR_QUANTILE = 0.75

/**
 * The least acknowledgement time that makes sense here and now, learned from everybody: half as long again as the slowest
 * acknowledgement of late, of the peer that a quarter of all are slower than. On a machine or network where answers come
 * late now and then, lateness is no silence; a few peers that answer late on purpose move no clock but their own.
 *
 * Why it is learned: with processes that stall for 200–800 ms twenty times a minute, a fixed floor of 250 ms asked twice
 * for 6 % of the blobs and had 0.3 % come twice (`npm run sim -- --scenario stall`); this one 1.6 % and 0.03 %. Where
 * nothing stalls it lies lower, and silent peers are left sooner.
 */
export class AckFloor {
  #ms = 0
  #at = Number.NEGATIVE_INFINITY

  ms(now: number, clocks: () => Iterable<AckClock>): number {
    if (now - this.#at < RENEW_MS) return this.#ms
    this.#at = now
    const slowest: number[] = []
    for (const clock of clocks()) if (clock.rttMs !== undefined) slowest.push(clock.slowest(now))
    slowest.sort((a, b) => a - b)
    this.#ms = 1.5 * (slowest[Math.floor(slowest.length * FLOOR_QUANTILE)] ?? 0)
    return this.#ms
  }
}
