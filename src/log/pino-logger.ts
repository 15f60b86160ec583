import { type DestinationStream, pino, type Logger as PinoLogger } from 'pino'
import type { Logger } from './logger.ts'
import { isLogLevel, type LogLevel, type LogOptions } from './options.ts'

/** The root logger: a Logger whose levels can be changed while the node runs, for all rooms or for one. */
export interface RootLogger extends Logger {
  /** Sets the level of one room, or of all rooms (and rooms to come) when none is named. False when the room has no logger. */
  setLevel(level: LogLevel, room?: string): boolean
  levels(): Readonly<Record<string, string>>
}

/**
 * pino on stdout, with no worker transports: each would cost an isolate (some 10 MiB). Lines are written at once, so that
 * the last words of a dying process are not lost.
 */
export async function createLogger(options: LogOptions, terminal: boolean): Promise<RootLogger> {
  const pretty = options.format === 'pretty' || (options.format === 'auto' && terminal)
  const destination = pretty ? await prettyStream() : pino.destination({ fd: 1, sync: true })
  return rootLogger(pino({ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination))
}

async function prettyStream(): Promise<DestinationStream> {
  const { default: build } = await import('pino-pretty')
  const colorize = process.env['NO_COLOR'] === undefined || process.env['NO_COLOR'] === ''
  return build({
    colorize,
    sync: true,
    destination: 1,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname,room',
    messageFormat: '{room} {msg}'
  })
}

function rootLogger(root: PinoLogger): RootLogger {
  const rooms = new Map<string, PinoLogger>()
  const roomLogger = (room: string): Logger => {
    const known = rooms.get(room) ?? root.child({ room }, { level: root.level })
    rooms.set(room, known)
    return wrap(known, (inner) => roomLogger(`${room}.${inner}`))
  }
  return {
    ...wrap(root, roomLogger),
    setLevel(level, room) {
      if (!isLogLevel(level)) return false
      if (room === undefined) {
        root.level = level
        for (const logger of rooms.values()) logger.level = level
        return true
      }
      const logger = rooms.get(room)
      if (logger !== undefined) logger.level = level
      return logger !== undefined
    },
    levels: () => Object.fromEntries([['*', root.level], ...[...rooms].map(([room, logger]) => [room, logger.level])])
  }
}

function wrap(logger: PinoLogger, child: (room: string) => Logger): Logger {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child
  }
}
