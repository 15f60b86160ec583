/**
 * The relay as a process: `node relay-process.ts DELAY_MS LISTEN:TARGET…`. Prints one JSON line when it listens, and one with its own
 * CPU time when SIGTERM ends it.
 */
import { systemClock } from '../../util/index.ts'
import { DelayRelay } from './relay.ts'

const [delay = '0', ...pairs] = process.argv.slice(2)
const relays = pairs.map((pair) => {
  const [listen = 0, target = 0] = pair.split(':').map(Number)
  return new DelayRelay({ clock: systemClock }, { listen, target, delayMs: Number(delay) })
})
const ports = await Promise.all(relays.map((relay) => relay.start()))
process.once('SIGTERM', () => {
  void Promise.all(relays.map((relay) => relay.stop())).then(() => {
    const { user, system } = process.cpuUsage()
    process.stdout.write(`${JSON.stringify({ cpuSeconds: (user + system) / 1e6 })}\n`)
  })
})
process.stdout.write(`${JSON.stringify({ ports })}\n`)
