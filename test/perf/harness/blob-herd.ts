import { setTimeout as pause } from 'node:timers/promises'
import type { WantOutput } from '../peers/commands.ts'
import { monotonicMs } from '../peers/line-protocol.ts'
import type { Mesh, MeshNode } from './mesh.ts'

/** How long stragglers are waited for. */
const DRAIN_MS = 15_000

/** One want of one node. */
export interface Want {
  readonly blob: number
  readonly node: MeshNode
  /** Announced to stored; undefined until it is. */
  ms?: number
}

export interface BlobHerdOptions {
  /** Blobs a second, and bytes of each. */
  readonly rate: number
  readonly blobBytes: number
  /** Wants each blob as others do, and is nobody's figure. */
  readonly uncounted?: MeshNode
}

/**
 * The producers of a mesh make a blob, all others want it at once. The clock of a blob starts when every producer has it and the wants are
 * handed out.
 */
export class BlobHerd {
  readonly #mesh: Mesh
  readonly #options: BlobHerdOptions
  #made = 0

  constructor(mesh: Mesh, options: BlobHerdOptions) {
    this.#mesh = mesh
    this.#options = options
  }

  /** A blob every `1 / rate` seconds for so long, one at least; `made` is told of each, with how many are to come in all. */
  async produce(
    seconds: number,
    made: (blob: { readonly at: number; readonly of: number; readonly cids: readonly string[] }) => Promise<void> | void
  ): Promise<Want[]> {
    const wants: Want[] = []
    const start = monotonicMs()
    const step = 1000 / this.#options.rate
    const count = Math.max(1, Math.round((seconds * 1000) / step))
    for (let at = 0; at < count; at += 1) {
      await pause(Math.max(0, start + at * step - monotonicMs()))
      const one = await this.#oneBlob()
      wants.push(...one.wants)
      await made({ at, of: count, cids: one.cids })
    }
    return wants
  }

  async #oneBlob(): Promise<{ readonly cids: readonly string[]; readonly wants: Want[] }> {
    this.#made += 1
    const blob = this.#made
    const { live, contender } = this.#mesh
    const producers = live.filter(({ role }) => role === 'execution')
    const put = { from: blob, count: 1, size: this.#options.blobBytes }
    const [made] = await Promise.all(producers.map(({ process }) => process.call<{ cids: string[] }>('put', put)))
    const cids = made?.cids ?? []
    await Promise.all(producers.map(({ process }) => process.call('announce', { cids })))
    const input = { ...contender.want, cids, hot: true, origins: producers.map(({ peerId }) => peerId) }
    const announcedAt = monotonicMs()
    // Others wait for it to pass on what it fetches. Once it is cut, or answers no more, it fails.
    this.#options.uncounted?.process.call('want', input).catch(() => {})
    const fetchers = live.filter((node) => node.role === 'access' && node !== this.#options.uncounted)
    const wants = fetchers.map((node) => {
      const want: Want = { blob, node }
      node.process.call<WantOutput>('want', input).then(
        ({ storedAt }) => {
          want.ms = (storedAt[0] ?? 0) - announcedAt
        },
        // A node that is stopped dead at last answers so; what a live one lacks shows at the end.
        () => {}
      )
      return want
    })
    return { cids, wants }
  }
}

/** Wants of live nodes that have not come. */
export const missingOf = (wants: readonly Want[]): number =>
  wants.filter(({ node, ms }) => node.live && ms === undefined).length

/** How long each took that has come to a live node, ms. */
export const arrivals = (wants: readonly Want[]): number[] =>
  wants.flatMap(({ node, ms }) => (node.live && ms !== undefined ? [ms] : []))

/** Until all have come, or it is no use. */
export async function settled(wants: readonly Want[]): Promise<void> {
  const until = monotonicMs() + DRAIN_MS
  while (missingOf(wants) > 0 && monotonicMs() < until) await pause(20)
}
