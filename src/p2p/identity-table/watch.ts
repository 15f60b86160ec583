/**
 * Follows the identity file while the node runs: a file that changed is a new epoch, and the table is replaced as a whole.
 *
 * Looks at the file's length and time once a second, since notifications of file systems do not reach through mounts and renamed
 * links. A file is read once it has looked the same twice, so one that is being written is left alone. One that cannot be read or
 * is wrong in any entry changes nothing: the table in force stays, and the fault is counted and logged once for each state of the
 * file.
 */
import type { Logger } from '../../log/logger.ts'
import type { NodeIdentity, PeerIdText } from '../../model/index.ts'
import { type Clock, equalBytes, messageOf, type Service, type Timer } from '../../util/index.ts'
import type { P2pMetrics } from '../metrics.ts'
import { identityFileState, readIdentities } from './parse.ts'
import type { IdentityTable, TableChange } from './table.ts'

/** Where a table comes from. */
export interface IdentityFile {
  /** Differs whenever the content may differ. Rejects when there is none. */
  state(): Promise<string>
  /** Throws P2pError `identity-table-invalid` or `identity-entry-invalid`. */
  read(): Promise<readonly NodeIdentity[]>
}

export const identityFile = (path: string): IdentityFile => ({
  state: () => identityFileState(path),
  read: () => readIdentities(path)
})

export interface IdentityWatchComponents {
  /** Without one nobody misses its entry. */
  readonly self: PeerIdText | undefined
  readonly table: IdentityTable
  readonly file: IdentityFile
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<P2pMetrics, 'identityLoads'>
}

/** Between two looks at the file, ms: an epoch is noticed within twice that. Each look costs one system call. */
const LOOK_EVERY_MS = 1_000

const NO_FILE = 'none'

export class IdentityWatch implements Service {
  readonly #components: IdentityWatchComponents
  #timer: Timer | undefined
  #looking: Promise<void> = Promise.resolve()
  #stopped = false
  /** The state that was handled last, and the one that was seen last. */
  #handled: string | undefined
  #seen: string | undefined

  constructor(components: IdentityWatchComponents) {
    this.#components = components
  }

  /** Reads the file at its first look in any case: it may have changed since the table was made of it. */
  async start(): Promise<void> {
    this.#schedule()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#looking
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#timer = this.#components.clock.setTimer(LOOK_EVERY_MS, () => {
      this.#looking = this.#look().finally(() => this.#schedule())
    })
  }

  async #look(): Promise<void> {
    const state = await this.#components.file.state().catch(() => NO_FILE)
    const settled = state === this.#seen
    this.#seen = state
    if (!settled || state === this.#handled) return
    this.#handled = state
    await this.#read()
  }

  async #read(): Promise<void> {
    const { table, file, log, metrics } = this.#components
    try {
      const identities = await file.read()
      if (this.#stopped) return
      if (isSame(table.all, identities)) {
        metrics.identityLoads.inc({ outcome: 'unchanged' })
        return
      }
      metrics.identityLoads.inc({ outcome: 'replaced' })
      const change = this.#replace(identities)
      const counts = { admitted: change.admitted.length, removed: change.removed.length, moved: change.moved.length }
      log.info({ nodes: table.size, ...counts }, 'the identity table has changed: a new epoch')
      this.#warnOfSelf()
    } catch (error) {
      metrics.identityLoads.inc({ outcome: 'invalid' })
      log.error({ error: messageOf(error) }, 'the identity table cannot be read; the one in force stays')
    }
  }

  #replace(identities: readonly NodeIdentity[]): TableChange {
    let change: TableChange = { admitted: [], removed: [], moved: [] }
    const unwatch = this.#components.table.onChange((told) => {
      change = told
    })
    this.#components.table.replace(identities)
    unwatch()
    return change
  }

  #warnOfSelf(): void {
    const { self, table, log } = this.#components
    if (self === undefined || table.isAdmitted(self)) return
    const why = table.byPeerId(self) === undefined ? 'missing' : 'ejected'
    log.error({ peer: self, why }, 'the identity table has no place for this node: its peers will not talk to it')
  }
}

function isSame(before: readonly NodeIdentity[], after: readonly NodeIdentity[]): boolean {
  if (before.length !== after.length) return false
  return before.every((one, at) => {
    const other = after[at]
    return (
      other !== undefined &&
      one.nodeId === other.nodeId &&
      one.role === other.role &&
      one.host === other.host &&
      one.port === other.port &&
      one.weight === other.weight &&
      one.publicAddress?.host === other.publicAddress?.host &&
      one.publicAddress?.port === other.publicAddress?.port &&
      one.ejected === other.ejected &&
      equalBytes(one.networkPublicKey, other.networkPublicKey)
    )
  })
}
