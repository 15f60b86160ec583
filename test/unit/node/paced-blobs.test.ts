import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blobOf } from '#src/model/index.ts'
import { PacedBlobs } from '#src/node/paced-blobs.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

test('blobs come at the rate, after a burst of one second, and nothing waits for what is not there', async () => {
  const clock = new VirtualClock()
  const blob = blobOf(new Uint8Array(1_000))
  const absent = blobOf(new Uint8Array(1)).cid
  const source = {
    get: async (cid: typeof absent) => (cid.key === blob.cid.key ? blob : undefined),
    getSize: async () => 1_000
  }
  const paced = new PacedBlobs({ source, clock }, { bytesPerSecond: 10_000 })
  await clock.run(5_000)
  const times: number[] = []
  for (let i = 0; i < 40; i += 1) void paced.get(blob.cid).then(() => times.push(clock.now()))
  assert.equal(await paced.get(absent), undefined)
  await clock.run(60_000)
  assert.deepEqual([times.filter((at) => at === 5_000).length, times.length, times.at(-1)], [10, 40, 8_000])
  assert.equal(await paced.getSize(blob.cid), 1_000)
})
