// Stands in for `sealsync` where the driver is tested and not the node: `fake-node.mjs run --data-dir DIR …`. Takes part in
// nothing; it answers as a node would that reads the block list and the CARs in `cars/` beside the data directories.
// FAKE_NODES is a JSON object, data directory's name → behaviour: `dies` (at once), `stuck` (holds the first block only),
// `wrong` (gives other bytes for the second block), `alone` (never connected), `late` (stops only by SIGKILL, exit code 3 otherwise).
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { basename, dirname, join } from 'node:path'

const args = process.argv.slice(3)
const flag = (name) => args[args.indexOf(`--${name}`) + 1]
const dataDir = flag('data-dir')
const name = basename(dataDir)
const behaviour = JSON.parse(process.env.FAKE_NODES ?? '{}')[name] ?? 'good'
if (behaviour === 'dies') {
  process.stderr.write(`${name} has no wish to live\n`)
  process.exit(3)
}

const identities = JSON.parse(readFileSync(flag('identities'), 'utf8'))
const list = join(dirname(flag('identities')), 'blocks.jsonl')
const marker = join(dataDir, 'lives')
const lives = existsSync(marker) ? Number(readFileSync(marker, 'utf8')) + 1 : 1
writeFileSync(marker, String(lives))

function heights() {
  const all = readFileSync(list, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).height)
  return behaviour === 'stuck' ? all.slice(0, 1) : all
}

function status() {
  const last = heights().at(-1)
  const bytes = heights().length * 100
  return {
    version: 'fake',
    peerId: name,
    heights: { highest: last, consecutive: last },
    payloadBytes: {
      received: bytes,
      useful: bytes,
      duplicate: 0,
      partial: 0,
      sent: flag('role') === 'execution' ? bytes : 0
    },
    blobsExchanged: { received: heights().length, unique: heights().length },
    streams: { open: 2, opened: 2, inbound: 1, outbound: 1, openMax: 2, other: {} },
    connections: behaviour === 'alone' ? 0 : identities.length - 1,
    run: { presentAtStart: lives > 1 ? 1 : 0, refetched: behaviour === 'refetches' && lives > 1 ? 5 : 0 },
    announceToStoredMs: { count: heights().length, p50: 1, p95: 2, p99: 3, p999: 4, max: 5 }
  }
}

const metrics = createServer((_, response) => response.end(JSON.stringify(status())))
const api = createServer((request, response) => {
  const height = Number(/\/execution-data\/(\d+)\?format=car/.exec(request.url)?.[1])
  const at = heights().indexOf(height)
  if (at < 0) return response.writeHead(404).end('{}')
  const car = readFileSync(join(dirname(dataDir), 'cars', `${height}.car`))
  response.end(behaviour === 'wrong' && at === 1 ? car.subarray(1) : car)
})
const listen = (server) =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(`127.0.0.1:${server.address().port}`)))
const addresses = { p2p: [], metrics: await listen(metrics), api: await listen(api) }
writeFileSync(join(dataDir, 'addresses.tmp'), JSON.stringify(addresses))
renameSync(join(dataDir, 'addresses.tmp'), join(dataDir, 'addresses.json'))
process.on('SIGTERM', () => process.exit(behaviour === 'late' ? 3 : 0))
