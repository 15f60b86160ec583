/**
 * What is read from a socket is garbage as soon as it has been put where it belongs: up to 64 KiB for each read, outside the heap, so that
 * V8's young generation hardly fills with it. One that suits many small objects is collected too rarely for it: at 8 MiB a receiver of
 * blobs of 1 MiB moves a quarter less and holds 30 MiB more. So it is collected by the bytes that were read as well.
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
