import { type FSWatcher, watch } from 'node:fs'
import { type Clock, sleep } from '../../util/index.ts'

/** Between two looks at a file that changes all the time, ms: each look costs two calls to the system, and a line less than that. */
const LEAST_PAUSE_MS = 10

/**
 * Wakes whoever follows a file as soon as the system says that it changed. Some systems do not say it (network mounts, a limit on watches that is
 * reached), so it only shortens the pause between two looks.
 */
export class FileChanges {
  readonly #watcher: FSWatcher | undefined
  #changed = false
  #wake: (() => void) | undefined

  constructor(path: string) {
    try {
      this.#watcher = watch(path, { persistent: false }, () => {
        this.#changed = true
        this.#wake?.()
      })
      this.#watcher.on('error', () => this.close())
    } catch {
      this.#watcher = undefined
    }
  }

  /** Resolves when the file has changed since the last time, or after `ms`. Rejects with the signal's reason. */
  async wait(clock: Clock, { ms, signal }: { readonly ms: number; readonly signal: AbortSignal }): Promise<void> {
    await sleep(clock, Math.min(LEAST_PAUSE_MS, ms), signal)
    if (!this.#changed) await this.#sleepOn(clock, ms - LEAST_PAUSE_MS, signal)
    this.#changed = false
  }

  close(): void {
    this.#watcher?.close()
  }

  async #sleepOn(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0) return
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    try {
      await sleep(clock, ms, AbortSignal.any([signal, woken.signal]))
    } catch (error) {
      if (!woken.signal.aborted) throw error
      signal.throwIfAborted()
    } finally {
      this.#wake = undefined
    }
  }
}
