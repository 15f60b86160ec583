/** Some reads of the largest blob: rarer, and what has been read long ago is still held; more often, and what is still needed is moved. */
export const DEFAULT_COLLECT_EVERY_BYTES = 8_388_608

/** A few reads. */
export const LEAST_COLLECT_EVERY_BYTES = 262_144

/**
 * What is read from a socket or a disk is soon garbage: it has been put where it belongs, sent, or decoded. It lies outside the heap, so that
 * V8's young generation hardly fills with it. One that suits many small objects is collected too rarely for it: at 8 MiB a receiver of
 * blobs of 1 MiB moves a quarter less and holds 30 MiB more, and reads from a disk get memory that the system has to clear for each of
 * them, until a full collection. So it is collected by the bytes that were read as well.
 */
export class ReadGarbage {
  readonly #everyBytes: number
  readonly #collect: () => void
  #bytes = 0

  constructor(everyBytes: number, collect: () => void = collectYoung) {
    this.#everyBytes = everyBytes
    this.#collect = collect
  }

  /** To be called for all that was read. */
  add(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < this.#everyBytes) return
    this.#bytes = 0
    this.#collect()
  }
}

/** Only a process that was started with `--expose-gc`, as the launcher does, can be asked for it. */
function collectYoung(): void {
  globalThis.gc?.({ type: 'minor' })
}
