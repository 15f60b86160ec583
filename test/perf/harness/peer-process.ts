import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Launch } from './contender.ts'

const STOP_LIMIT_MS = 5000
/** No command takes so long: a run that hangs ends with an error instead. */
const ANSWER_LIMIT_MS = 300_000

interface Waiting {
  resolve(out: unknown): void
  reject(error: Error): void
}

/** A contender's peer in a process of its own, spoken to in JSON lines. */
export class PeerProcess {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #exit: Promise<void>
  #next = 1
  #ended = false

  constructor(launch: Launch) {
    const child = spawn(launch.file, launch.args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...launch.env }
    })
    if (child.pid === undefined) throw new Error(`${launch.file} did not start`)
    this.pid = child.pid
    this.#child = child
    this.#exit = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#ended = true
        for (const waiting of this.#waiting.values())
          waiting.reject(new Error(`a peer ended: ${signal ?? `code ${code}`}`))
        this.#waiting.clear()
        resolve()
      })
    })
    // Writing to a peer that has died fails here; its end is told by `exit`.
    child.stdin?.on('error', () => {})
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => this.#onLine(line))
  }

  get ended(): boolean {
    return this.#ended
  }

  /** The answer to a command. Rejects with what the peer says, or when it ends first. */
  call<Out>(op: string, input: object = {}): Promise<Out> {
    return this.begin<Out>(op, input).out
  }

  /** The same, with the command's number, by which it can be cancelled. */
  begin<Out>(op: string, input: object = {}): { readonly id: number; readonly out: Promise<Out> } {
    const id = this.#next
    this.#next += 1
    const out = new Promise<Out>((resolve, reject) => {
      if (this.#ended) {
        reject(new Error('the peer has ended'))
        return
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Error(`no answer to '${op}' for ${ANSWER_LIMIT_MS / 1000} s`))
      }, ANSWER_LIMIT_MS)
      this.#waiting.set(id, {
        resolve: (value) => {
          clearTimeout(timer)
          resolve(value as Out)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        }
      })
      this.#child.stdin?.write(`${JSON.stringify({ id, op, in: input })}\n`)
    })
    return { id, out }
  }

  /** Stops it dead, its sockets open. */
  suspend(): void {
    this.#child.kill('SIGSTOP')
  }

  /** Ends it in good order, and by force when that takes too long. */
  async stop(): Promise<void> {
    if (this.#ended) return
    this.#child.stdin?.end()
    const timer = setTimeout(() => this.kill(), STOP_LIMIT_MS)
    await this.#exit
    clearTimeout(timer)
  }

  async killed(): Promise<void> {
    this.kill()
    await this.#exit
  }

  kill(): void {
    if (!this.#ended) this.#child.kill('SIGKILL')
  }

  #onLine(line: string): void {
    // What Node's own flags print, such as `--trace-gc`.
    if (!line.startsWith('{')) {
      process.stderr.write(`${this.pid} ${line}\n`)
      return
    }
    const { id, out, error } = JSON.parse(line) as { id: number; out?: unknown; error?: string }
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(out)
    else waiting?.reject(new Error(error))
  }
}
