import type { Blob, DigestKey, PeerIdText } from '#src/model/index.ts'
import type { Sim } from '#test/support/exchange/sim.ts'
import type { SimNode } from '#test/support/exchange/sim-node.ts'

/** What one node waits for in its present life, and what it has fetched. */
export interface Wishes {
  controller: AbortController
  readonly wanted: Map<DigestKey, { readonly blob: Blob; readonly hot: boolean }>
  readonly had: Map<DigestKey, Blob>
}

export function nameOf({ nodes, strangers }: Sim, peer: PeerIdText): string {
  const at = nodes.findIndex((node) => node.peer === peer)
  return at >= 0 ? `node ${at}` : `stranger ${strangers.indexOf(peer)}`
}

/** What is left of what was, when everything is over: no want, no byte, no ledger entry of an honest peer must be. */
export function leftOver(sim: Sim): string | undefined {
  for (const node of sim.nodes) {
    const { client, server, receivingBytes } = node.exchange
    const name = nameOf(sim, node.peer)
    if (client.liveWants + client.waitingFetches > 0) return `${name} has a want that nobody waits for`
    if (server.bytesInFlight > 0) return `${name} holds bytes for sending`
    if (receivingBytes > 0) return `${name} holds bytes for receiving`
    for (const { peer } of sim.nodes) {
      if ((server.ledger(peer)?.wants.size ?? 0) > 0) return `${name} keeps a want that ${nameOf(sim, peer)} has not`
    }
  }
  return undefined
}

/** A few of the wants that nothing moves, for the message. */
export function stuckWants(sim: Sim, wishes: ReadonlyMap<SimNode, Wishes>): string {
  const stuck: string[] = []
  for (const [node, { wanted }] of wishes) {
    for (const key of wanted.keys()) {
      const want = [...node.exchange.client.wants()].find((one) => one.key === key)
      const owner = want?.owner === undefined ? '' : ` with ${nameOf(sim, want.owner)}`
      stuck.push(`${nameOf(sim, node.peer)}: ${want?.state ?? 'not wanted'}${owner}, ${want?.asks ?? 0} asks`)
      if (stuck.length === 5) return stuck.join('; ')
    }
  }
  return stuck.join('; ')
}
