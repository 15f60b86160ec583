// A libp2p node with nothing on it: TCP, TLS, yamux, identify. What a node of that stack costs before it does anything.
import { serveLines } from '../../perf/peers/line-protocol.ts'
import { dialHigher, load, startHost } from './host.mjs'

const { tls } = await load('@libp2p/tls')

const CONNECT_TRIES = 600
let libp2p

async function listen() {
  const host = await startHost(tls)
  libp2p = host.libp2p
  return host.listening
}

async function connect({ nodes }) {
  const others = await dialHigher(libp2p, nodes)
  for (let tries = 0; libp2p.getPeers().length < others.length; tries += 1) {
    if (tries > CONNECT_TRIES) throw new Error('not all peers are connected')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return { connections: others.length }
}

await serveLines({ listen, connect }, () => libp2p?.stop())
