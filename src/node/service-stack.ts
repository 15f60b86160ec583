import type { Logger } from '../log/index.ts'
import { AppError, type Clock, messageOf, type Service } from '../util/index.ts'

export interface NamedService {
  readonly name: string
  readonly service: Service
}

export interface ServiceStackOptions {
  /** How long one service may take to stop before the stack goes on without it, ms. */
  readonly stepTimeoutMs: number
}

/** 5 s a step: four slow steps still end within the default 20 s of the whole stop. */
const defaultServiceStackOptions: ServiceStackOptions = Object.freeze({ stepTimeoutMs: 5_000 })

/** A step of the stop was given up on. */
class StopError extends AppError<'stop-timeout'> {}

/**
 * Services in the order in which they need one another. Starts them one by one, rolls back when one cannot start, stops in reverse.
 * Each step is logged with its milliseconds; a step of the stop that hangs or fails does not keep the others from being stopped.
 */
export class ServiceStack {
  /** Rejects with the first failure of any service that is running. */
  readonly failed: Promise<never>
  readonly #components: { readonly clock: Clock; readonly logger: Logger }
  readonly #options: ServiceStackOptions
  readonly #services: NamedService[] = []
  readonly #running: NamedService[] = []
  #fail: (error: unknown) => void = () => {}
  #stopping: Promise<void> | undefined

  constructor(components: { readonly clock: Clock; readonly logger: Logger }, options = defaultServiceStackOptions) {
    this.#components = components
    this.#options = options
    this.failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    // Nobody may be waiting yet when a service fails during the start; `start` reports it then.
    this.failed.catch(() => {})
  }

  add(name: string, service: Service): void {
    this.#services.push({ name, service })
  }

  /** Names of what runs, in order. */
  get running(): readonly string[] {
    return this.#running.map(({ name }) => name)
  }

  async start(): Promise<void> {
    for (const entry of this.#services) {
      if (this.#stopping !== undefined) return
      const began = this.#components.clock.now()
      try {
        await entry.service.start()
      } catch (error) {
        await this.stop()
        throw error
      }
      this.#running.push(entry)
      entry.service.failed?.catch((error: unknown) => {
        this.#components.logger.error({ service: entry.name, error: messageOf(error) }, 'service failed')
        this.#fail(error)
      })
      this.#components.logger.debug(
        { service: entry.name, ms: Math.round(this.#components.clock.now() - began) },
        'started'
      )
    }
  }

  /** Stops these of the services that run, the others go on. Throws StopError `stop-timeout`. */
  async leave(names: readonly string[]): Promise<void> {
    const leaving = this.#running.filter(({ name }) => names.includes(name))
    for (const entry of leaving.reverse()) {
      this.#running.splice(this.#running.indexOf(entry), 1)
      const outcome = await this.#stopOne(entry.service)
      this.#components.logger.info({ service: entry.name, outcome }, 'left')
      if (outcome === 'timed out') throw new StopError('stop-timeout', `${entry.name} did not stop`)
    }
  }

  /** Idempotent. Throws StopError `stop-timeout` when a step was given up on. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll()
    return this.#stopping
  }

  async #stopAll(): Promise<void> {
    const late: string[] = []
    for (let entry = this.#running.pop(); entry !== undefined; entry = this.#running.pop()) {
      const began = this.#components.clock.now()
      const outcome = await this.#stopOne(entry.service)
      const fields = { service: entry.name, ms: Math.round(this.#components.clock.now() - began) }
      if (outcome === 'stopped') this.#components.logger.info(fields, 'stopped')
      else this.#components.logger.error({ ...fields, outcome }, 'did not stop')
      if (outcome === 'timed out') late.push(entry.name)
    }
    if (late.length > 0)
      throw new StopError('stop-timeout', `did not stop in ${this.#options.stepTimeoutMs} ms: ${late.join(', ')}`)
  }

  #stopOne(service: Service): Promise<string> {
    return new Promise((resolve) => {
      const timer = this.#components.clock.setTimer(this.#options.stepTimeoutMs, () => resolve('timed out'))
      service
        .stop()
        .then(
          () => resolve('stopped'),
          (error: unknown) => resolve(messageOf(error))
        )
        .finally(() => timer.cancel())
    })
  }
}
