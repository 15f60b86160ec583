// What the peers of this folder share: a js-libp2p host of TCP, TLS, yamux and identify, listening on loopback.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)
/** Resolved at run time: the folder may not be installed when the tree is checked. `beside` names a file next to the entry. */
export const load = (name, beside = '') => import(new URL(beside, pathToFileURL(require.resolve(name))).href)

const { createLibp2p } = await load('libp2p')
const { tcp } = await load('@libp2p/tcp')
const { yamux } = await load('@libp2p/yamux')
const { identify } = await load('@libp2p/identify')
const { multiaddr } = await load('@multiformats/multiaddr')

/** The host, and what `listen` answers. */
export async function startHost(encrypter, more = {}) {
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [encrypter()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1000 },
    services: { identify: identify() },
    ...more
  })
  const [address] = libp2p.getMultiaddrs()
  const listening = {
    peerId: libp2p.peerId.toString(),
    publicKey: '',
    port: Number(/\/tcp\/(\d+)/.exec(address.toString())[1]),
    version: ''
  }
  return { libp2p, listening }
}

/** Of a pair the lower peer id dials. Gives all others; `dialled` is told of each that this one dialled, with its address. */
export async function dialHigher(libp2p, nodes, dialled = async () => {}) {
  const own = libp2p.peerId.toString()
  const others = nodes.filter(({ peerId }) => peerId !== own)
  for (const { peerId, port } of others) {
    if (own > peerId) continue
    const address = multiaddr(`/ip4/127.0.0.1/tcp/${port}/p2p/${peerId}`)
    const { remotePeer } = await libp2p.dial(address)
    await dialled(remotePeer, address)
  }
  return others
}
