import type { Peer, PeerStore } from '@libp2p/interface'

/** Peers of which is remembered what they speak: more than any staked set has; the one longest known goes first. */
const MOST_PEERS = 4_096

/**
 * libp2p writes down with every stream, on either side, that the peer speaks its protocol, before it hands the stream out: the peer's
 * record is locked, read, decoded with its public key, and found to say so already. What is known is not written again; go-libp2p has
 * it in memory too. Any other change of a record goes through, and what was remembered of it is forgotten.
 */
export function rememberProtocols(store: Pick<PeerStore, 'merge' | 'patch' | 'save' | 'delete'>): void {
  const known = new Map<string, { readonly peer: Peer; readonly protocols: ReadonlySet<string> }>()
  const merge = store.merge.bind(store)
  store.merge = async (id, data, options) => {
    const key = id.toString()
    const before = known.get(key)
    const onlyProtocols = Object.keys(data).every((name) => name === 'protocols')
    if (onlyProtocols && before !== undefined && (data.protocols ?? []).every((name) => before.protocols.has(name)))
      return before.peer
    const peer = await merge(id, data, options)
    known.delete(key)
    if (known.size >= MOST_PEERS) known.delete(known.keys().next().value ?? '')
    known.set(key, { peer, protocols: new Set(peer.protocols) })
    return peer
  }
  for (const name of ['patch', 'save'] as const) {
    const change = store[name].bind(store)
    store[name] = (id, data, options) => {
      known.delete(id.toString())
      return change(id, data, options)
    }
  }
  const remove = store.delete.bind(store)
  store.delete = (id, options) => {
    known.delete(id.toString())
    return remove(id, options)
  }
}
