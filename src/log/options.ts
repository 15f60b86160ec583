export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export const LOG_FORMATS = ['auto', 'json', 'pretty'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

export interface LogOptions {
  /** Lines below this level are not made. */
  readonly level: LogLevel
  /** `auto`: pretty on a terminal, JSON lines otherwise. */
  readonly format: LogFormat
}

export const defaultLogOptions: LogOptions = Object.freeze({ level: 'info', format: 'auto' })

export function isLogLevel(value: unknown): value is LogLevel {
  return (LOG_LEVELS as readonly unknown[]).includes(value)
}
