/** Logs: a small port, and pino behind it. */
export { type Logger, silentLogger } from './logger.ts'
export {
  defaultLogOptions,
  isLogLevel,
  LOG_FORMATS,
  LOG_LEVELS,
  type LogFormat,
  type LogLevel,
  type LogOptions
} from './options.ts'
export { createLogger, type RootLogger } from './pino-logger.ts'
