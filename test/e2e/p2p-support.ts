import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/logger.ts'
import { type NodeIdentity, parseNodeId } from '#src/model/index.ts'
import {
  createHost,
  createP2pMetrics,
  defaultHostOptions,
  defaultPeerManagerOptions,
  generateNetworkKey,
  type Host,
  type HostOptions,
  IdentityTable,
  type NetworkKey,
  type P2pMetrics,
  peerIdOf
} from '#src/p2p/index.ts'
import { systemClock, systemRng, toHex } from '#src/util/index.ts'
import { freePorts } from '#src/lab/localnet/ports.ts'

/** Waits until the condition holds; gives up, with the condition's text, long after it should. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 1_500; round += 1) {
    if (await condition()) return
    await delay(20)
  }
  assert.fail(`never true: ${condition}`)
}

export interface Member {
  readonly key: NetworkKey
  readonly identity: NodeIdentity
}

const QUICK = {
  ...defaultPeerManagerOptions,
  graceMs: 1_000,
  initialBackoffMs: 50,
  maxBackoffMs: 400,
  duplicateSettleMs: 200
}

/** Nodes on loopback, each with a port that was free a moment ago. */
export async function members(count: number, role: NodeIdentity['role'] = 'access'): Promise<Member[]> {
  const ports = await freePorts(count, systemRng)
  return ports.map((port) => {
    const key = generateNetworkKey()
    const networkPublicKey = key.publicKey.point
    const nodeId = parseNodeId(toHex(networkPublicKey.subarray(0, 32)))
    assert.ok(nodeId)
    const peerId = peerIdOf(key)
    const identity = { nodeId, role, host: '127.0.0.1', port, networkPublicKey, peerId, weight: 100, ejected: false }
    return { key, identity }
  })
}

/** A host that is not started, with metrics of its own, quick to dial again. */
export async function hostOf(
  member: Member,
  table: IdentityTable,
  options: Partial<HostOptions> = {}
): Promise<Host & { readonly metrics: P2pMetrics }> {
  const metrics = createP2pMetrics(new Registry())
  const host = await createHost(
    { key: member.key, table, clock: systemClock, rng: systemRng, log: silentLogger, metrics },
    {
      ...defaultHostOptions,
      listen: { host: '127.0.0.1', port: member.identity.port },
      version: '1.2.3',
      peers: QUICK,
      ...options
    }
  )
  return Object.assign(host, { metrics })
}

export const tableOf = (all: readonly Member[]): IdentityTable => new IdentityTable(all.map(({ identity }) => identity))

/** The value of a metric, summed over the series that carry the labels. */
export async function metricOf(
  metric: { get(): Promise<{ values: { value: number; labels: object }[] }> },
  labels: Readonly<Record<string, string>> = {}
): Promise<number> {
  const { values } = await metric.get()
  return values
    .filter((value) => Object.entries(labels).every(([name, label]) => Reflect.get(value.labels, name) === label))
    .reduce((sum, { value }) => sum + value, 0)
}
