import type { Socket } from 'node:net'
import { type Clock, codeOf } from '../../util/index.ts'
import type { ProtocolFault } from '../metrics.ts'

/** How long a refused client has to read why, ms. */
const LINGER_MS = 1_000

const ANSWERS: Readonly<
  Record<Exclude<ProtocolFault, 'reset'>, readonly [line: string, code: string, message: string]>
> = {
  'headers-too-large': [
    '431 Request Header Fields Too Large',
    'headers-too-large',
    'the request line and headers exceed the listener’s bound'
  ],
  timeout: ['408 Request Timeout', 'request-timeout', 'the request did not arrive in time'],
  malformed: ['400 Bad Request', 'bad-request', 'this is not an HTTP/1.1 request']
}

function faultOf(error: Error): ProtocolFault {
  switch (codeOf(error)) {
    case 'HPE_HEADER_OVERFLOW':
      return 'headers-too-large'
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'timeout'
    case 'ECONNRESET':
    case 'EPIPE':
      return 'reset'
    default:
      return 'malformed'
  }
}

/**
 * Answers bytes that made no request, and closes the connection. While another request of the connection is `answering`, nothing may
 * be written in between: the connection is destroyed. Gives the fault to be counted, or `undefined` when this
 * connection was refused before.
 */
export function refuseProtocol(context: {
  readonly error: Error
  readonly socket: Socket
  readonly answering: boolean
  readonly clock: Clock
}): ProtocolFault | undefined {
  const { socket, clock } = context
  const fault = faultOf(context.error)
  if (socket.writableEnded || socket.destroyed) return fault === 'reset' ? fault : undefined
  if (fault === 'reset' || context.answering || !socket.writable) {
    socket.destroy()
    return fault
  }
  const [line, code, message] = ANSWERS[fault]
  const body = `${JSON.stringify({ error: { code, message } })}\n`
  const head = `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}`
  socket.end(`HTTP/1.1 ${line}\r\n${head}\r\nConnection: close\r\n\r\n${body}`)
  socket.on('error', () => {})
  const timer = clock.setTimer(LINGER_MS, () => socket.destroy(), { background: true })
  socket.once('close', () => timer.cancel())
  return fault
}
