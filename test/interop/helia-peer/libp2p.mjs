// A libp2p node with nothing on it: TCP, TLS, yamux, identify. What a node of that stack costs before it does anything.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { serveLines } from '../../perf/peers/line-protocol.ts'

const require = createRequire(import.meta.url)
/** Resolved at run time: the folder may not be installed when the tree is checked. */
const load = (name) => import(pathToFileURL(require.resolve(name)).href)
const { createLibp2p } = await load('libp2p')
const { tcp } = await load('@libp2p/tcp')
const { tls } = await load('@libp2p/tls')
const { yamux } = await load('@libp2p/yamux')
const { identify } = await load('@libp2p/identify')
const { multiaddr } = await load('@multiformats/multiaddr')

const CONNECT_TRIES = 600
let libp2p

async function listen() {
  libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1000 },
    services: { identify: identify() }
  })
  const [address] = libp2p.getMultiaddrs()
  return {
    peerId: libp2p.peerId.toString(),
    publicKey: '',
    port: Number(/\/tcp\/(\d+)/.exec(address.toString())[1]),
    version: ''
  }
}

/** Of a pair the lower peer id dials. */
async function connect({ nodes }) {
  const own = libp2p.peerId.toString()
  const others = nodes.filter(({ peerId }) => peerId !== own)
  for (const { peerId, port } of others) {
    if (own < peerId) await libp2p.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}/p2p/${peerId}`))
  }
  for (let tries = 0; libp2p.getPeers().length < others.length; tries += 1) {
    if (tries > CONNECT_TRIES) throw new Error('not all peers are connected')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return { connections: others.length }
}

await serveLines({ listen, connect }, () => libp2p?.stop())
