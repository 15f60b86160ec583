/**
 * Reads every stored blob and hashes it, in the background, at a rate, over restarts. What is damaged the store drops, and has repaired.
 */
import type { Logger } from '../log/logger.ts'
import type { Blob, BlobCid } from '../model/index.ts'
import type { KeyValueSpace } from '../store/key-value.ts'
import { type Clock, messageOf, type Service, sleep } from '../util/index.ts'

export interface VerifyState {
  readonly state: 'running' | 'done' | 'failed'
  /** Unix ms. */
  readonly startedAtMs: number
  readonly finishedAtMs: number | null
  readonly checked: { readonly blobs: number; readonly bytes: number }
  readonly damaged: number
  /** Blobs stored when it began, for the progress. */
  readonly total: { readonly blobs: number; readonly bytes: number }
  readonly bytesPerSecond: number
  /** Hex of the digest up to which everything is checked. */
  readonly cursor: string
}

export interface VerifierComponents {
  /** Where the progress lies. */
  readonly space: KeyValueSpace
  /** Stored CIDs behind a digest, in the order of the digests. */
  readonly cidsAfter: (digest: Uint8Array | undefined, limit: number) => Promise<readonly BlobCid[]>
  /** Reads from the disk, past every cache; `undefined` when it is damaged (it is dropped then) or was deleted. */
  readonly read: (cid: BlobCid) => Promise<Blob | undefined>
  readonly stats: () => { readonly count: number; readonly bytes: number }
  readonly damagedSoFar: () => number
  readonly logger: Logger
  readonly clock: Clock
}

const STATE_KEY = Buffer.from('state', 'latin1')
/** CIDs taken from the index at a time. */
const PAGE = 256
/** How often the progress is written down, ms. */
const SAVE_MS = 5_000

export class Verifier implements Service {
  readonly #components: VerifierComponents
  readonly #controller = new AbortController()
  #state: VerifyState | undefined
  #main: Promise<void> | undefined
  #savedAt = Number.NEGATIVE_INFINITY

  constructor(components: VerifierComponents) {
    this.#components = components
  }

  /** What an earlier run began goes on. */
  async start(): Promise<void> {
    const value = await this.#components.space.get(STATE_KEY)
    if (value !== undefined) this.#state = JSON.parse(Buffer.from(value).toString('utf8')) as VerifyState
    if (this.#state?.state === 'running') this.#main = this.#run(this.#state)
  }

  async stop(): Promise<void> {
    this.#controller.abort(new Error('the verification goes on with the next start'))
    await this.#main
  }

  status(): VerifyState | null {
    return this.#state ?? null
  }

  /** Begins from the beginning, or does nothing while one is under way. */
  begin({ bytesPerSecond }: { readonly bytesPerSecond: number }): void {
    if (this.#state?.state === 'running') return
    const { count, bytes } = this.#components.stats()
    this.#state = {
      state: 'running',
      startedAtMs: this.#components.clock.wallNow(),
      finishedAtMs: null,
      checked: { blobs: 0, bytes: 0 },
      damaged: 0,
      total: { blobs: count, bytes },
      bytesPerSecond,
      cursor: ''
    }
    this.#main = this.#run(this.#state)
  }

  /** Resolves when it is done, failed or stopped. */
  async ended(): Promise<void> {
    await this.#main
  }

  async #run(from: VerifyState): Promise<void> {
    const { signal } = this.#controller
    let state = from
    try {
      await this.#save(state)
      for (;;) {
        const after = state.cursor === '' ? undefined : new Uint8Array(Buffer.from(state.cursor, 'hex'))
        const page = await this.#components.cidsAfter(after, PAGE)
        if (page.length === 0) break
        for (const cid of page) {
          signal.throwIfAborted()
          state = await this.#check(state, cid)
          this.#state = state
        }
        if (this.#components.clock.now() - this.#savedAt > SAVE_MS) await this.#save(state)
      }
      await this.#save({ ...state, state: 'done', finishedAtMs: this.#components.clock.wallNow() })
      const { checked, damaged } = state
      this.#components.logger.info({ ...checked, damaged }, 'every stored blob was read and hashed')
    } catch (error) {
      if (!signal.aborted) {
        this.#components.logger.warn({ error: messageOf(error) }, 'the verification of the store failed')
        state = { ...state, state: 'failed' }
      }
      await this.#save(state).catch(() => undefined)
    }
  }

  async #check(state: VerifyState, cid: BlobCid): Promise<VerifyState> {
    const { clock, damagedSoFar, read } = this.#components
    const began = clock.now()
    const before = damagedSoFar()
    const blob = await read(cid)
    const bytes = blob?.bytes.length ?? 0
    const dueMs = state.bytesPerSecond === 0 ? 0 : (bytes / state.bytesPerSecond) * 1000 - (clock.now() - began)
    if (dueMs > 1) await sleep(clock, dueMs, this.#controller.signal)
    return {
      ...state,
      checked: { blobs: state.checked.blobs + 1, bytes: state.checked.bytes + bytes },
      damaged: state.damaged + (damagedSoFar() - before),
      cursor: Buffer.from(cid.digest).toString('hex')
    }
  }

  async #save(state: VerifyState): Promise<void> {
    this.#state = state
    this.#savedAt = this.#components.clock.now()
    const value = new Uint8Array(Buffer.from(JSON.stringify(state)))
    await this.#components.space.batch([{ type: 'put', key: STATE_KEY, value }], { sync: false })
  }
}
