import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Database, type KeyRange, type KeyValueOperation, type KeyValueSpace } from '#src/store/index.ts'
import { SimulatedKeyValue } from '#test/support/store/simulated-key-value.ts'

type Using = (test: (space: KeyValueSpace) => Promise<void>) => Promise<void>

const withLevel: Using = async (test) => {
  const path = await mkdtemp(join(tmpdir(), 'sealsync-level-'))
  const database = await Database.open(path)
  try {
    const space = database.space('middle')
    // Neighbours whose names surround it, with keys that would sort into it.
    for (const name of ['middl', 'middle-', 'middlf', 'a', 'z']) {
      const operation = { type: 'put', key: Uint8Array.of(1), value: Uint8Array.of(99) } as const
      await database.space(name).batch([operation], { sync: false })
    }
    await test(space)
    assert.deepEqual(await database.space('middl').get(Uint8Array.of(1)), Buffer.of(99))
  } finally {
    await database.close()
    await rm(path, { recursive: true })
  }
}

const withSimulated: Using = (test) => test(new SimulatedKeyValue())

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString('hex')
const put = (key: Uint8Array, value: Uint8Array): KeyValueOperation => ({ type: 'put', key, value })

async function list(space: KeyValueSpace, range: KeyRange): Promise<string[]> {
  const entries: string[] = []
  for await (const [key, value] of space.entries(range)) entries.push(`${text(key)}=${text(value)}`)
  return entries
}

for (const [name, using] of [
  ['level', withLevel],
  ['simulated', withSimulated]
] as const) {
  void describe(`key-value space: ${name}`, () => {
    void it('compares keys as bytes and honours every range', () =>
      using(async (space) => {
        const keys = [[], [0], [0, 0], [0, 255], [1], [127, 1], [128], [255], [255, 255, 255]].map((key) =>
          Uint8Array.from(key)
        )
        await space.batch(
          [...keys].reverse().map((key) => put(key, Uint8Array.of(key.length))),
          { sync: true }
        )
        const all = keys.map((key) => `${text(key)}=${text(Uint8Array.of(key.length))}`)
        assert.deepEqual(await list(space, {}), all)
        assert.deepEqual(await list(space, { reverse: true }), [...all].reverse())
        assert.deepEqual(await list(space, { gte: Uint8Array.of(0, 0), lt: Uint8Array.of(128) }), all.slice(2, 6))
        assert.deepEqual(await list(space, { gte: Uint8Array.of(128) }), all.slice(6))
        assert.deepEqual(await list(space, { lt: Uint8Array.of(1), reverse: true, limit: 2 }), [all[3], all[2]])
        assert.deepEqual(await list(space, { limit: 1 }), all.slice(0, 1))
        assert.deepEqual(await list(space, { gte: Uint8Array.of(2), lt: Uint8Array.of(3) }), [])
      }))

    void it('gets, overwrites and deletes; empty values are values', () =>
      using(async (space) => {
        const key = Uint8Array.of(7)
        assert.equal(await space.get(key), undefined)
        await space.batch([put(key, new Uint8Array(0))], { sync: false })
        assert.equal((await space.get(key))?.length, 0)
        await space.batch([put(key, Uint8Array.of(1)), { type: 'del', key }, put(key, Uint8Array.of(2))], {
          sync: true
        })
        assert.equal(text(await space.get(key)), '02')
        await space.batch([put(key, Uint8Array.of(3)), { type: 'del', key }], { sync: true })
        assert.equal(await space.get(key), undefined)
        await space.batch([], { sync: true })
      }))

    void it('agrees with a sorted map', () =>
      using(async (space) => {
        const key = fc.uint8Array({ maxLength: 3 })
        const operation = fc.record({ key, value: fc.option(fc.uint8Array({ maxLength: 4 })) })
        const model = new Map<string, string>()
        await fc.assert(
          fc.asyncProperty(fc.array(operation, { maxLength: 10 }), key, key, async (operations, gte, lt) => {
            await space.batch(
              operations.map(({ key: at, value }) => (value === null ? { type: 'del', key: at } : put(at, value))),
              { sync: false }
            )
            for (const { key: at, value } of operations) {
              if (value === null) model.delete(text(at) ?? '')
              else model.set(text(at) ?? '', text(value) ?? '')
            }
            const [from = '', to = ''] = [text(gte), text(lt)]
            const expected = [...model].filter(([at]) => at >= from && at < to).sort(([a], [b]) => (a < b ? -1 : 1))
            assert.deepEqual(
              await list(space, { gte, lt }),
              expected.map(([at, value]) => `${at}=${value}`)
            )
          }),
          { numRuns: 100 }
        )
      }))

    void it('lets a reader stop in the middle', () =>
      using(async (space) => {
        await space.batch(
          Array.from({ length: 2_000 }, (_, at) => put(Uint8Array.of(at >> 8, at & 255), new Uint8Array(100))),
          { sync: false }
        )
        let seen = 0
        for await (const _entry of space.entries({})) {
          seen += 1
          if (seen === 3) break
        }
        assert.equal(seen, 3)
        assert.equal((await list(space, {})).length, 2_000)
      }))
  })
}
