import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Peer, PeerData, PeerId, PeerStore } from '@libp2p/interface'
import { rememberProtocols } from '#src/p2p/known-protocols.ts'

type Store = Pick<PeerStore, 'merge' | 'patch' | 'save' | 'delete'>

/** A store that has nothing but protocols, and notes what it is asked. */
function recordingStore(): { readonly store: Store; readonly calls: string[] } {
  const calls: string[] = []
  const records = new Map<string, string[]>()
  const written = (how: string, merging: boolean) => async (id: PeerId, data: PeerData) => {
    calls.push(`${how} ${id.toString()} ${Object.keys(data).join()}`)
    const before = merging ? (records.get(id.toString()) ?? []) : []
    const protocols = [...new Set([...before, ...(data.protocols ?? [])])]
    records.set(id.toString(), protocols)
    return { protocols } as unknown as Peer
  }
  const store = {
    merge: written('merge', true),
    patch: written('patch', false),
    save: written('save', false),
    delete: async (id: PeerId) => {
      calls.push(`delete ${id.toString()}`)
      records.delete(id.toString())
    }
  }
  return { store, calls }
}

const peer = (name: string): PeerId => ({ toString: () => name }) as PeerId

describe('what a peer is known to speak', () => {
  it('is not written again with every stream', async () => {
    const { store, calls } = recordingStore()
    rememberProtocols(store)
    await store.merge(peer('a'), { protocols: ['/one'] })
    const again = await store.merge(peer('a'), { protocols: ['/one'] })
    assert.deepEqual(again.protocols, ['/one'])
    const more = await store.merge(peer('a'), { protocols: ['/one', '/two'] })
    assert.deepEqual(more.protocols, ['/one', '/two'])
    await store.merge(peer('a'), { protocols: ['/two'] })
    await store.merge(peer('b'), { protocols: ['/one'] })
    assert.deepEqual(calls, ['merge a protocols', 'merge a protocols', 'merge b protocols'])
  })

  it('is written when anything else is said of the peer, or was', async () => {
    const { store, calls } = recordingStore()
    rememberProtocols(store)
    const one = { protocols: ['/one'] }
    await store.merge(peer('a'), one)
    await store.merge(peer('a'), { ...one, tags: {} })
    await store.patch(peer('a'), { protocols: [] })
    assert.deepEqual((await store.merge(peer('a'), one)).protocols, ['/one'])
    await store.save(peer('a'), { protocols: ['/two'] })
    await store.merge(peer('a'), one)
    await store.delete(peer('a'))
    await store.merge(peer('a'), one)
    assert.equal(calls.filter((call) => call === 'merge a protocols').length, 4)
  })

  it('is forgotten of whom was known longest when there are too many', async () => {
    const { store, calls } = recordingStore()
    rememberProtocols(store)
    for (let at = 0; at <= 4_096; at += 1) await store.merge(peer(`p${at}`), { protocols: ['/one'] })
    calls.length = 0
    await store.merge(peer('p4096'), { protocols: ['/one'] })
    await store.merge(peer('p1'), { protocols: ['/one'] })
    assert.deepEqual(calls, [])
    await store.merge(peer('p0'), { protocols: ['/one'] })
    assert.equal(calls.length, 1)
  })
})
