import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, sleep } from '../../util/index.ts'
import type { NodeMonitor } from './monitor.ts'
import { readProcessFigures } from './process-figures.ts'

/** The nodes at one moment. */
export interface Sample {
  /** Since the first block. */
  readonly seconds: number
  /** Blocks that were given by then. */
  readonly blocks: number
  readonly nodes: readonly {
    readonly name: string
    readonly rssBytes: number
    readonly anonBytes: number
    /** What the files of its data directory take. */
    readonly diskBytes: number
  }[]
}

const FIRST_INTERVAL_MS = 2_000
/** Enough for a plot; with more, every second one goes and the interval doubles. */
const MAX_SAMPLES = 240

/** Looks at memory and disk of every node now and then. */
export class Samples {
  readonly taken: Sample[] = []
  readonly #clock: Clock
  readonly #blocks: () => number
  readonly #controller = new AbortController()
  #intervalMs = FIRST_INTERVAL_MS
  #loop: Promise<void> | undefined

  constructor(components: { readonly clock: Clock; readonly blocks: () => number }) {
    this.#clock = components.clock
    this.#blocks = components.blocks
  }

  start(monitors: readonly NodeMonitor[]): void {
    this.#loop ??= this.#run(monitors)
  }

  async stop(): Promise<void> {
    this.#controller.abort()
    await this.#loop
  }

  async #run(monitors: readonly NodeMonitor[]): Promise<void> {
    const { signal } = this.#controller
    const began = this.#clock.now()
    while (!signal.aborted) {
      const seconds = (this.#clock.now() - began) / 1000
      const blocks = this.#blocks()
      const nodes = await Promise.all(monitors.map((monitor) => lookAt(monitor)))
      this.taken.push({ seconds, blocks, nodes: nodes.filter((node) => node !== undefined) })
      if (this.taken.length > MAX_SAMPLES) {
        this.taken.splice(0, this.taken.length, ...this.taken.filter((_, at) => at % 2 === 0))
        this.#intervalMs *= 2
      }
      await sleep(this.#clock, this.#intervalMs, signal).catch(() => undefined)
    }
  }
}

async function lookAt({ node }: NodeMonitor): Promise<Sample['nodes'][number] | undefined> {
  const figures = node.pid === undefined || !node.running ? undefined : await readProcessFigures(node.pid)
  if (figures === undefined) return undefined
  const { rssBytes, anonBytes } = figures
  return { name: node.plan.name, rssBytes, anonBytes, diskBytes: await bytesUnder(node.plan.dataDir) }
}

/** By the blocks of its files; what goes while it is looked at does not count. */
async function bytesUnder(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])
  const sizes = entries.map(async (entry) => {
    if (!entry.isFile()) return 0
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => undefined)
    return (found?.blocks ?? 0) * 512
  })
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0)
}
