import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/logger.ts'
import type { BlobCid } from '#src/model/index.ts'
import { createStoreMetrics, SegmentBlockstore, type SegmentBlockstoreOptions } from '#src/store/index.ts'
import { type Rng, seededRng, systemClock } from '#src/util/index.ts'
import { Power } from './power.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { SimulatedKeyValue } from './simulated-key-value.ts'

export const DIRECTORY = '/blobs'

/** A simulated computer with a segment store on it: its power can be cut, its process killed, its devices made to fail. */
export class Machine {
  readonly disk = new SimulatedDisk()
  readonly index = new SimulatedKeyValue()
  readonly registry = new Registry()
  readonly metrics = createStoreMetrics(this.registry)
  readonly #rng: Rng
  readonly #options: Partial<SegmentBlockstoreOptions>

  constructor(seed: number, options: Partial<SegmentBlockstoreOptions> = {}) {
    this.#rng = seededRng(seed)
    this.#options = options
  }

  open(onDamaged?: (cid: BlobCid) => void): Promise<SegmentBlockstore> {
    return SegmentBlockstore.open(
      {
        disk: this.disk.attach(),
        index: this.index.attach(),
        clock: systemClock,
        rng: this.#rng,
        log: silentLogger,
        metrics: this.metrics,
        ...(onDamaged === undefined ? {} : { onDamaged })
      },
      { directory: DIRECTORY, ...this.#options }
    )
  }

  /** After so many operations of the disk and the index together, both stop at one moment. */
  cutPowerAfter(operations: number): void {
    const power = new Power(operations)
    this.disk.power = power
    this.index.power = power
  }

  /** The machine comes back after a power cut. */
  restart(rng: Rng): void {
    this.disk.restart(rng)
    this.index.restart(rng)
  }

  /** The process dies, the machine goes on. */
  killProcess(): void {
    this.disk.killProcess()
    this.index.killProcess()
  }

  async metric(name: string): Promise<number> {
    const metric = await this.registry.getSingleMetric(name)?.get()
    return metric?.values.reduce((sum, { value }) => sum + value, 0) ?? Number.NaN
  }
}
