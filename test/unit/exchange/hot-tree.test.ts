import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { base58btc } from 'multiformats/bases/base58'
import { HotTree } from '#src/exchange/client/hot-tree.ts'
import { blobOf, type PeerIdText } from '#src/model/index.ts'
import { peerId } from '#test/support/exchange/sim.ts'

const peers = (from: number, count: number): PeerIdText[] =>
  Array.from({ length: count }, (_, index) => peerId(from + index))

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
      const tree = new HotTree(order[at]!, 4)
      assert.equal(tree.path(key, directory).above[0], order[parent])
      assert.deepEqual(tree.path(key, shuffled), tree.path(key, directory))
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
            const { above, others } = new HotTree(self, width).path(blob, table)
            const parent = above[0]!
            parents.set(parent, (parents.get(parent) ?? 0) + 1)
            assert.ok(!above.includes(self) && !others.includes(self))
            assert.deepEqual(new Set(above.slice(-roots)), new Set(table.execution))
            assert.equal(new Set([...above, ...others]).size, roots + nodes - 1)
          }
          for (const children of parents.values()) assert.ok(children <= width)
        }
      ),
      { numRuns: 60 }
    )
  })

  test('following parents comes to a root', () => {
    const parent = new Map(directory.access.map((self) => [self, new HotTree(self, 4).path(key, directory).above[0]!]))
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
    assert.deepEqual(new HotTree(directory.execution[0]!, 4).path(key, directory).above, [directory.execution[1]])
    const observer = new HotTree(peerId(999), 4).path(key, directory)
    assert.ok(observer.above.length > 0)
    assert.ok(directory.execution.includes(observer.above.at(-1)!))
  })

  test('without producers the first nodes have nobody above them', () => {
    const table = { execution: [], access: peers(0, 10) }
    const alone = table.access.filter((self) => new HotTree(self, 4).path(key, table).above.length === 0)
    assert.equal(alone.length, 4)
  })
})
