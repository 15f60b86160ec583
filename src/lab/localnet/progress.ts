import type { Clock } from '../../util/index.ts'
import { type NetworkView, progressLine, renderTable } from './table.ts'

/** Where progress goes: a terminal says its width. */
export interface ProgressStream {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/** On something that is not a terminal, a line so often. */
const LINE_EVERY_MS = 5_000

/**
 * Shows a run: on a terminal a table that is drawn again in its place, elsewhere a line every few seconds. Notes stand above the
 * table, in order.
 */
export class Progress {
  readonly #clock: Clock
  readonly #stream: ProgressStream
  readonly #colour: boolean
  #drawn = 0
  #last: NetworkView | undefined
  #lineAtMs = Number.NEGATIVE_INFINITY

  constructor(
    components: { readonly clock: Clock; readonly stream: ProgressStream },
    options: { readonly colour: boolean }
  ) {
    this.#clock = components.clock
    this.#stream = components.stream
    this.#colour = options.colour
  }

  update(view: NetworkView): void {
    this.#last = view
    if (this.#stream.isTTY === true) {
      this.#stream.write(this.#erase() + this.#table(view))
      return
    }
    if (this.#clock.now() - this.#lineAtMs < LINE_EVERY_MS) return
    this.#lineAtMs = this.#clock.now()
    this.#stream.write(`localnet: ${progressLine(view)}\n`)
  }

  note(text: string): void {
    const below = this.#drawn > 0 ? this.#last : undefined
    this.#stream.write(`${this.#erase()}localnet: ${text}\n`)
    if (below !== undefined) this.#stream.write(this.#table(below))
  }

  #table(view: NetworkView): string {
    // A table higher than the screen could not be drawn over: the rows that do not fit are left out.
    const lines = renderTable(view, { columns: known(this.#stream.columns, 120), colour: this.#colour }).slice(
      0,
      known(this.#stream.rows, 50) - 2
    )
    this.#drawn = lines.length
    return lines.map((line) => `${line}\n`).join('')
  }

  #erase(): string {
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A\u001b[J` : ''
    this.#drawn = 0
    return up
  }
}

/** A terminal that does not know its size says 0. */
const known = (size: number | undefined, standard: number): number =>
  size === undefined || size === 0 ? standard : size
