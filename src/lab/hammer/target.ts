/**
 * What is hammered: a `sealsync run` of our own, started again whenever it ends, or a node that runs already. Both are looked at
 * from outside: by the kernel where it is a process of ours, and over its metrics listener.
 */
import type { PeerIdText } from '../../model/index.ts'
import { type Clock, messageOf } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import { withDeadline } from '../localnet/deadline.ts'
import type { LabHttp } from '../localnet/http.ts'
import type { NodeProcess } from '../localnet/node-process.ts'
import { Scrape } from '../localnet/scrape.ts'
import { type NodeStatus, parseNodeStatus } from '../localnet/status.ts'
import type { Cage } from './cage.ts'

export interface Target {
  readonly peerId: PeerIdText
  readonly profile: string
  /** While it runs, and only of our own. */
  readonly pid: number | undefined
  /** `host:port`; `undefined` while it is down, or when it has none. */
  readonly apiAddress: string | undefined
  readonly restarts: number
  /** Throws LabError `bad-answer` or a system error. */
  status(options?: { readonly signal?: AbortSignal }): Promise<NodeStatus>
  scrape(): Promise<Scrape>
  oomKills(): Promise<number | null>
}

/** One that comes up and dies so often in a row will not stay up. */
const MAX_RESTARTS = 50

/** The driver's own target, kept running. */
export class OwnTarget implements Target {
  readonly node: NodeProcess
  readonly profile: string
  readonly #cage: Cage | undefined
  readonly #note: (line: string) => void
  #restarts = 0
  #keeping: Promise<void> | undefined
  readonly #done = new AbortController()

  constructor(
    components: { readonly node: NodeProcess; readonly cage: Cage | undefined; readonly note: (line: string) => void },
    options: { readonly profile: string }
  ) {
    this.node = components.node
    this.#cage = components.cage
    this.#note = components.note
    this.profile = options.profile
  }

  get peerId(): PeerIdText {
    return this.node.plan.peerId
  }

  get pid(): number | undefined {
    return this.node.running ? this.node.pid : undefined
  }

  get apiAddress(): string | undefined {
    return this.node.running ? this.node.addresses?.api : undefined
  }

  get restarts(): number {
    return this.#restarts
  }

  status(options: { readonly signal?: AbortSignal } = {}): Promise<NodeStatus> {
    return this.node.status(options)
  }

  scrape(): Promise<Scrape> {
    return this.node.scrape()
  }

  async oomKills(): Promise<number | null> {
    return this.#cage === undefined ? null : this.#cage.oomKills()
  }

  /** From now on it is started again when it ends. */
  keep(): void {
    this.#keeping ??= this.#keep()
  }

  /** What ends it from now on is meant. */
  async release(): Promise<void> {
    this.#done.abort()
    this.node.end('SIGTERM')
    await this.#keeping
  }

  async #keep(): Promise<void> {
    const { signal } = this.#done
    while (!signal.aborted && this.#restarts < MAX_RESTARTS) {
      const exit = await this.node.ended()
      if (signal.aborted || !this.node.died) return
      this.#restarts += 1
      this.#note(`the target ended with ${exit.signal ?? `exit code ${exit.code}`}: started again`)
      for (const line of await this.node.lastLines()) this.#note(`  | ${line}`)
      await this.node.start()
      await this.node.ready({ signal }).catch((error: unknown) => this.#note(messageOf(error)))
    }
  }
}

const STATUS_LIMIT_MS = 5_000

/** A node of somebody else, by its listeners. */
export class ForeignTarget implements Target {
  readonly peerId: PeerIdText
  readonly profile: string
  readonly pid: undefined
  readonly apiAddress: string | undefined
  readonly restarts = 0
  readonly #parts: { readonly clock: Clock; readonly http: LabHttp }
  readonly #metrics: string | undefined

  private constructor(
    parts: { readonly clock: Clock; readonly http: LabHttp },
    at: { readonly peerId: PeerIdText; readonly profile: string; readonly metrics?: string; readonly api?: string }
  ) {
    this.#parts = parts
    this.peerId = at.peerId
    this.profile = at.profile
    this.#metrics = at.metrics
    this.apiAddress = at.api
  }

  /** Reads its status first. Throws LabError `bad-target` when that is no status of a sealsync node. */
  static async open(
    parts: { readonly clock: Clock; readonly http: LabHttp },
    at: { readonly metrics: string; readonly api: string }
  ): Promise<ForeignTarget> {
    const where = `http://${at.metrics}/v1/status`
    const value = await withDeadline(parts.clock, { ms: STATUS_LIMIT_MS }, (signal) =>
      parts.http.json(where, { signal })
    ).catch((cause: unknown) => {
      const hint = 'is it a sealsync node, and is --metrics-address its metrics listener?'
      throw new LabError('bad-target', `${where} does not answer as a node does (${messageOf(cause)}): ${hint}`, {
        cause
      })
    })
    const { peerId, profile } = (value ?? {}) as { peerId?: unknown; profile?: unknown }
    if (typeof peerId !== 'string' || peerId === '' || typeof profile !== 'string') {
      throw new LabError('bad-target', `${where} is not the status of a sealsync node: it names no peer id and profile`)
    }
    return new ForeignTarget(parts, { peerId: peerId as PeerIdText, profile, ...at })
  }

  status(options: { readonly signal?: AbortSignal } = {}): Promise<NodeStatus> {
    return withDeadline(this.#parts.clock, { ms: STATUS_LIMIT_MS, signal: options.signal }, async (signal) =>
      parseNodeStatus(await this.#parts.http.json(`http://${this.#metrics}/v1/status`, { signal }))
    )
  }

  scrape(): Promise<Scrape> {
    return withDeadline(this.#parts.clock, { ms: STATUS_LIMIT_MS }, async (signal) =>
      Scrape.parse(await this.#parts.http.text(`http://${this.#metrics}/metrics`, { signal }))
    )
  }

  async oomKills(): Promise<null> {
    return null
  }
}
