import assert from 'node:assert/strict'
import {
  type Announcement,
  BlobCid,
  type NodeIdentity,
  parseBlockId,
  parseNodeId,
  type Role
} from '#src/model/index.ts'
import { generateNetworkKey, type NetworkKey, peerIdOf } from '#src/p2p/index.ts'
import { type Clock, toHex } from '#src/util/index.ts'

/** A clock that moves only when told to; timers run in order of their time, then of their making. */
export class ManualClock implements Clock {
  #now = 0
  #timers: { readonly at: number; readonly run: () => void }[] = []

  now = (): number => this.#now
  wallNow = (): number => 1_700_000_000_000 + this.#now

  setTimer(ms: number, run: () => void): { cancel(): void } {
    const timer = { at: this.#now + ms, run }
    this.#timers.push(timer)
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) }
  }

  get pending(): number {
    return this.#timers.length
  }

  /** Moves time on, runs what is due, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#now = Math.max(this.#now, next.at)
      next.run()
      await settle()
    }
    this.#now = end
  }
}

/** Lets everything that waits for promises alone go on. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 20; round += 1) await Promise.resolve()
}

export interface Member {
  readonly key: NetworkKey
  readonly identity: NodeIdentity
}

export function makeMember(role: Role = 'access', rest: Partial<NodeIdentity> = {}): Member {
  const key = generateNetworkKey()
  const networkPublicKey = key.publicKey.point
  const nodeId = parseNodeId(toHex(networkPublicKey.subarray(0, 32)))
  assert.ok(nodeId)
  const identity = { nodeId, role, host: '10.0.0.1', port: 3569, networkPublicKey, weight: 100, ejected: false }
  return { key, identity: { ...identity, peerId: peerIdOf(key), ...rest } }
}

/** Members in the order of their peer ids. */
export const makeMembers = (count: number, role: Role = 'access'): Member[] =>
  Array.from({ length: count }, () => makeMember(role)).sort((a, b) => (a.identity.peerId < b.identity.peerId ? -1 : 1))

export function makeAnnouncement(height: number, hintLength = 2): Announcement {
  const digest = (salt: number): Uint8Array =>
    Uint8Array.from({ length: 32 }, (_, index) => (height + salt + index) & 255)
  const hint = Array.from({ length: hintLength }, (_, index) => BlobCid.fromDigest(digest(index)))
  const blockId = parseBlockId(toHex(digest(99)))
  assert.ok(blockId)
  const executionDataId = BlobCid.fromDigest(digest(0)).toExecutionDataId()
  return { height, blockId, executionDataId, announcedAtMs: 1_700_000_000_000 + height, hint }
}

/** The value of one series of a counter or gauge; 0 when it has not moved. */
export async function valueOf(
  metric: { get(): Promise<{ values: { value: number; labels: object }[] }> },
  labels: Readonly<Record<string, string>> = {}
): Promise<number> {
  const { values } = await metric.get()
  return values
    .filter((value) => Object.entries(labels).every(([name, label]) => Reflect.get(value.labels, name) === label))
    .reduce((sum, { value }) => sum + value, 0)
}
