import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import type { Rng } from '../../util/index.ts'

/** Ports below are often taken by services that start later. */
const LOWEST_PORT = 15_000
/** So many random ports are tried for each that is needed, before the kernel is asked for any. */
const TRIES = 20

/** The first port that the kernel gives to outgoing connections. */
function ephemeralStart(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/)[0])
  } catch {
    return 0
  }
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve(server))
  })
}

async function claim(rng: Rng, ceiling: number): Promise<Server> {
  const span = ceiling - LOWEST_PORT
  for (let attempt = 0; span > 0 && attempt < TRIES; attempt += 1) {
    const server = await listen(LOWEST_PORT + Math.floor(rng.next() * span))
    if (server !== undefined) return server
  }
  const server = await listen(0)
  if (server === undefined) throw new Error('no free port on 127.0.0.1')
  return server
}

/**
 * Ports on 127.0.0.1 that were free a moment ago, all different. They lie below the range of outgoing connections where there
 * is room, so that no connection of a node takes the port of one that is not up yet, or is down for a while.
 */
export async function freePorts(count: number, rng: Rng): Promise<number[]> {
  const ceiling = ephemeralStart()
  const servers: Server[] = []
  try {
    for (let at = 0; at < count; at += 1) servers.push(await claim(rng, ceiling))
    return servers.map((server) => (server.address() as { port: number }).port)
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }
}
