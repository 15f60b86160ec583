import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { base58btc } from 'multiformats/bases/base58'
import { HotTree } from '#src/exchange/client/hot-tree.ts'
import type { PeerDirectory } from '#src/exchange/index.ts'
import { blobOf, type DigestKey, type PeerIdText } from '#src/model/index.ts'
import { peerId } from '#test/support/exchange/sim.ts'

const peers = (from: number, count: number): PeerIdText[] =>
  Array.from({ length: count }, (_, index) => peerId(from + index))

const everybody = (): boolean => true

/** Whom `self` asks, in order, when `usable` is all that it can reach. */
function above(
  self: PeerIdText,
  blob: { readonly key: DigestKey; readonly table: PeerDirectory; readonly width?: number },
  usable: (peer: PeerIdText) => boolean = everybody
): PeerIdText[] {
  const tree = new HotTree(self, blob.width ?? 4)
  return tree.above(tree.place(blob.key, blob.table), usable)
}

describe('the tree of a blob', () => {
  const directory = { execution: peers(0, 2), access: peers(10, 48) }
  const key = blobOf(Uint8Array.of(7)).cid.key

  test('the order is that of the first 8 bytes of the hash, whatever the order of the table', () => {
    const rank = (peer: PeerIdText): string =>
      hash('sha256', Buffer.concat([Buffer.from('sealsync/1'), Buffer.from(key, 'latin1'), base58btc.baseDecode(peer)]))
    const order = [...directory.access].sort((a, b) => (rank(a).slice(0, 16) < rank(b).slice(0, 16) ? -1 : 1))
    const shuffled = { execution: [...directory.execution].reverse(), access: [...directory.access].reverse() }
    // The 9th node hangs off the first, the 12th too, the 13th off the second: 2 roots × 4 children come before them.
    for (const [at, parent] of [
      [8, 0],
      [11, 0],
      [12, 1],
      [47, 9]
    ] as const) {
      const path = above(order[at]!, { key, table: directory })
      assert.equal(path[0], order[parent])
      assert.deepEqual(above(order[at]!, { key, table: shuffled }), path)
    }
  })

  test('no node waits for itself, no parent has more than k children, every path ends at the roots', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 6 }),
        fc.nat(255),
        (roots, nodes, width, seed) => {
          const table = { execution: peers(0, roots), access: peers(100, nodes) }
          const blob = blobOf(Uint8Array.of(seed)).cid.key
          const parents = new Map<PeerIdText, number>()
          for (const self of table.access) {
            const path = above(self, { key: blob, table, width })
            parents.set(path[0]!, (parents.get(path[0]!) ?? 0) + 1)
            assert.ok(!path.includes(self))
            assert.deepEqual(new Set(path.slice(-roots)), new Set(table.execution))
            const place = new HotTree(self, width).place(blob, table)
            assert.equal(new Set([...place.roots, ...place.before, ...place.after]).size, roots + nodes - 1)
          }
          for (const children of parents.values()) assert.ok(children <= width)
        }
      ),
      { numRuns: 60 }
    )
  })

  test('following parents comes to a root', () => {
    const parent = new Map(directory.access.map((self) => [self, above(self, { key, table: directory })[0]!]))
    for (let self of directory.access) {
      let steps = 0
      while (parent.has(self)) {
        self = parent.get(self)!
        steps += 1
        assert.ok(steps < 5, 'a cycle, or a tree that is too deep')
      }
      assert.ok(directory.execution.includes(self))
    }
  })

  test('a producer asks the other producers, an observer hangs off some node', () => {
    assert.deepEqual(above(directory.execution[0]!, { key, table: directory }), [directory.execution[1]])
    const observer = above(peerId(999), { key, table: directory })
    assert.ok(observer.length > 0)
    assert.ok(directory.execution.includes(observer.at(-1)!))
  })

  test('without producers the first nodes have nobody above them', () => {
    const table = { execution: [], access: peers(0, 10) }
    const alone = table.access.filter((self) => above(self, { key, table }).length === 0)
    assert.equal(alone.length, 4)
  })

  test('without some nodes it is the tree of the others, no wider and without a cycle', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), fc.nat(255), fc.nat(), (nodes, seed, silent) => {
        const table = { execution: peers(0, 2), access: peers(100, nodes) }
        const blob = blobOf(Uint8Array.of(seed)).cid.key
        const gone = new Set(table.access.filter((_, index) => (silent >> (index % 31)) % 2 === 1))
        const rest = { ...table, access: table.access.filter((peer) => !gone.has(peer)) }
        for (const self of rest.access) {
          const path = above(self, { key: blob, table }, (peer) => !gone.has(peer))
          assert.deepEqual(path, above(self, { key: blob, table: rest }))
        }
      }),
      { numRuns: 60 }
    )
  })

  test('whoever a node asks ranks before it, whatever each of them can reach', () => {
    const place = (self: PeerIdText): ReturnType<HotTree['place']> => new HotTree(self, 4).place(key, directory)
    fc.assert(
      fc.property(fc.nat(47), fc.nat(), (index, reach) => {
        const self = directory.access[index]!
        const path = above(
          self,
          { key, table: directory },
          (peer) => (reach >> (directory.access.indexOf(peer) % 30)) % 2 === 0
        )
        const { roots, before } = place(self)
        for (const peer of path) assert.ok(roots.includes(peer) || before.includes(peer))
      })
    )
  })
})
