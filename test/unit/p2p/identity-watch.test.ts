import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/logger.ts'
import type { NodeIdentity } from '#src/model/index.ts'
import { createP2pMetrics, IdentityTable, IdentityWatch } from '#src/p2p/index.ts'
import { ManualClock, makeMember, valueOf } from './support.ts'

/** A file that is what the test says. */
class Bench {
  readonly clock = new ManualClock()
  readonly metrics = createP2pMetrics(new Registry())
  readonly logged: string[] = []
  readonly self = makeMember().identity
  readonly table: IdentityTable
  readonly watch: IdentityWatch
  content: readonly NodeIdentity[] | Error
  version = 0
  absent = false
  reads = 0

  constructor() {
    this.table = new IdentityTable([this.self])
    this.content = this.table.all
    const log = {
      ...silentLogger,
      error: (fields: object) => void this.logged.push(String(Reflect.get(fields, 'why') ?? ''))
    }
    const { self, table, clock, metrics } = this
    const file = {
      state: async () => {
        if (this.absent) throw new Error('ENOENT')
        return String(this.version)
      },
      read: async () => {
        this.reads += 1
        if (this.absent) throw new Error('ENOENT')
        if (this.content instanceof Error) throw this.content
        return this.content
      }
    }
    this.watch = new IdentityWatch({ self: self.peerId, table, file, clock, log, metrics })
  }

  write(content: readonly NodeIdentity[] | Error): void {
    this.content = content
    this.version += 1
  }

  loads(outcome: string): Promise<number> {
    return valueOf(this.metrics.identityLoads, { outcome })
  }
}

test('a changed file is a new epoch within two looks, and an unchanged one is not read again', async () => {
  const bench = new Bench()
  await bench.watch.start()
  await bench.clock.advance(10_000)
  assert.deepEqual([bench.reads, await bench.loads('unchanged')], [1, 1])
  const comes = makeMember().identity
  bench.write([bench.self, comes])
  await bench.clock.advance(2_000)
  assert.ok(bench.table.isAdmitted(comes.peerId))
  await bench.clock.advance(10_000)
  assert.deepEqual([bench.reads, await bench.loads('replaced')], [2, 1])
  await bench.watch.stop()
  assert.equal(bench.clock.pending, 0)
})

test('a file that is being written is left alone', async () => {
  const bench = new Bench()
  await bench.watch.start()
  for (let at = 0; at < 5; at += 1) {
    bench.write(new Error('half of it'))
    await bench.clock.advance(1_000)
  }
  assert.equal(bench.reads, 0)
  bench.write([bench.self, makeMember().identity])
  await bench.clock.advance(2_000)
  assert.deepEqual([bench.table.size, await bench.loads('invalid')], [2, 0])
  await bench.watch.stop()
})

test('a broken file and one that is gone leave the table as it is, told once each', async () => {
  const bench = new Bench()
  await bench.watch.start()
  bench.write(new Error('entry 7'))
  await bench.clock.advance(20_000)
  assert.deepEqual([await bench.loads('invalid'), bench.logged.length], [1, 1])
  bench.absent = true
  await bench.clock.advance(20_000)
  assert.deepEqual([await bench.loads('invalid'), bench.logged.length], [2, 2])
  assert.deepEqual(bench.table.all, [bench.self])
  bench.absent = false
  bench.write([bench.self, makeMember().identity])
  await bench.clock.advance(2_000)
  assert.equal(bench.table.size, 2)
  await bench.watch.stop()
})

test('a table without this node is taken, and said so', async () => {
  const bench = new Bench()
  await bench.watch.start()
  bench.write([{ ...bench.self, ejected: true }])
  await bench.clock.advance(3_000)
  bench.write([makeMember().identity])
  await bench.clock.advance(3_000)
  assert.deepEqual(bench.logged, ['ejected', 'missing'])
  await bench.watch.stop()
})
