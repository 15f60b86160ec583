import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const DELAY = fileURLToPath(new URL('../../../src/lab/localnet/relay-process.ts', import.meta.url))
const THROTTLE = fileURLToPath(new URL('./throttle-process.ts', import.meta.url))

/** A process that stands in front of listeners; its CPU time is nobody's. */
export class Relay {
  readonly ports: readonly number[]
  readonly pid: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, ports: readonly number[]) {
    this.#child = child
    this.pid = child.pid ?? 0
    this.ports = ports
  }

  /** Every byte arrives `delayMs` later. Gives the ports that lead to the targets, in their order. */
  static delay(delayMs: number, targets: readonly number[]): Promise<Relay> {
    return Relay.#start([DELAY, String(delayMs), ...targets.map((port) => `0:${port}`)])
  }

  /** At most so many bytes a second on each connection and direction. */
  static throttle(bytesPerSecond: number, targets: readonly number[]): Promise<Relay> {
    return Relay.#start([THROTTLE, String(bytesPerSecond), ...targets.map(String)])
  }

  static async #start(args: readonly string[]): Promise<Relay> {
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const line = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', resolve)
      child.once('exit', () => reject(new Error('the relay did not come up')))
    })
    return new Relay(child, (JSON.parse(line) as { ports: number[] }).ports)
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await exit
  }
}
