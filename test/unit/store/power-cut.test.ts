import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRng } from '#src/util/index.ts'
import { lives } from '#test/support/store/lives.ts'
import type { Machine } from '#test/support/store/machine.ts'

/** What a build without that sync would be. */
const WITHOUT: Readonly<Record<string, (machine: Machine) => void>> = {
  'the sync of a segment': (machine) => {
    machine.disk.ignores = (sync) => sync === 'segment'
  },
  'the sync of the directory': (machine) => {
    machine.disk.ignores = (sync) => sync === 'directory'
  },
  'the sync of an index batch': (machine) => {
    machine.index.ignoresSync = true
  }
}

void describe('store under power cuts', () => {
  void it('loses nothing acknowledged in 200 runs of five lives each, while it deletes and compacts', async () => {
    let compacted = 0
    let unlinked = 0
    for (let seed = 1; seed <= 200; seed += 1) {
      const run = await lives(seed)
      assert.equal(run.lost, 0, `seed ${seed}`)
      compacted += run.compactedBytes
      unlinked += run.unlinked
    }
    assert.ok(compacted > 100_000, `${compacted} bytes compacted`)
    assert.ok(unlinked > 200, `${unlinked} segments unlinked`)
  })

  for (const [what, set] of Object.entries(WITHOUT)) {
    void it(`would be seen to lose blobs without ${what}`, async () => {
      let lost = 0
      for (let seed = 1; seed <= 40 && lost === 0; seed += 1) {
        // A store that finds its files or sums wrong may also refuse, or be found inconsistent.
        lost += await lives(seed, set).then(
          (run) => run.lost,
          () => 1
        )
      }
      assert.notEqual(lost, 0)
    })
  }

  void it('loses nothing acknowledged when writes and syncs fail now and then', async () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const faulty = seededRng(seed + 7_000)
      const lost = await lives(seed, (machine) => {
        machine.disk.faults = (operation) =>
          operation !== 'read' && faulty.next() < 0.04 ? Object.assign(new Error('no'), { code: 'ENOSPC' }) : undefined
      }).then(
        (run) => run.lost,
        (error: unknown) => {
          // An opening may meet the fault: then it says so, and the next one goes on.
          assert.equal((error as { code?: string }).code, 'disk-full')
          return 0
        }
      )
      assert.equal(lost, 0, `seed ${seed}`)
    }
  })
})
