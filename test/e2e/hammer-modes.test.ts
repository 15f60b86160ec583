import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { makeCage } from '#src/lab/hammer/cage.ts'
import { HAMMER_MODES } from '#src/lab/hammer/options.ts'
import {
  defaultHammerOptions,
  type HammerMode,
  type HammerOptions,
  type HammerReport,
  runHammer
} from '#src/lab/index.ts'

const LIMIT = 400 * 1_048_576

/** How large and how long; what a busy machine does to latencies and to memory's way back is not looked at. */
const SHORT: Omit<HammerOptions, 'mode'> = {
  ...defaultHammerOptions,
  connections: 2,
  rate: 4,
  sizeBytes: 65_536,
  forMs: 1_000,
  hops: 2,
  quietMs: 1_000,
  recoveryMs: 0
}

const MORE: Partial<Record<HammerMode, Partial<HammerOptions>>> = {
  growth: { sizeBytes: 4_096, blocks: 110 }
}

let folder = ''
let caged = true
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hammer-'))
  // Without the rights to make a cgroup the rest is shown all the same.
  const cage = await makeCage(LIMIT).catch(() => undefined)
  caged = cage !== undefined
  await cage?.remove()
})
after(() => rm(folder, { recursive: true }))

async function hammer(mode: HammerMode): Promise<HammerReport> {
  const out = join(folder, mode)
  const options = { ...SHORT, ...MORE[mode], mode, out, memoryBytes: LIMIT, noLimit: true }
  const report = await runHammer(options, { stream: { write: () => true }, signal: new AbortController().signal })
  assert.deepEqual(JSON.parse(await readFile(join(out, 'report.json'), 'utf8')), report)
  return report
}

/** Reasons that tell of the machine: how fast, how soon, how much memory stays. */
const ABOUT_SPEED = /resident memory|behind|stood still|a hop took|messages a second|memory grew|took \d+ bytes/

describe('every mode of the hammer, short', { concurrency: 3 }, () => {
  const rows: readonly (readonly [mode: HammerMode, phases: RegExp])[] = [
    ['read', /read/],
    ['write', /write/],
    ['fanout', /fanout 1/],
    ['calls', /messages/],
    ['hybrid', /read/],
    ['decode', /decoded/],
    ['probe', /length of a message/],
    ['growth', /110 blocks/],
    ['junk', /want-flood/],
    ['soak', /read/]
  ]
  it('leaves no mode out', () => {
    assert.deepEqual(rows.map(([mode]) => mode).toSorted(), HAMMER_MODES.toSorted())
  })

  for (const [mode, phase] of rows) {
    it(`${mode}: the target is served by nobody's death, and what it holds is what was made`, async () => {
      const report = await hammer(mode)
      assert.deepEqual(
        report.reasons.filter((reason) => !ABOUT_SPEED.test(reason)),
        []
      )
      assert.equal(report.schema, 'sealsync.hammer/1')
      assert.equal(report.mode, mode)
      assert.equal(report.target.restarts, 0)
      assert.equal(report.target.oomKills, caged ? 0 : null)
      assert.equal(report.limits.memoryBytes, caged ? LIMIT : null)
      assert.ok((report.target.rssBytes.peak ?? LIMIT + 1) <= LIMIT)
      assert.ok((report.target.rssBytes.idle ?? 0) > 0)
      const last = report.phases.findLast(({ name }) => phase.test(name))
      assert.ok((last?.requests.ok ?? 0) > 0, JSON.stringify(report.phases))
    })
  }
})

describe('a target that cannot start', () => {
  it('says what is the smallest that works', async () => {
    const report = await runHammer(
      { ...SHORT, mode: 'read', memoryBytes: 64 * 1_048_576, noLimit: true },
      { stream: { write: () => true }, signal: new AbortController().signal }
    )
    assert.equal(report.ok, !caged)
    if (caged) assert.match(report.reasons.join('\n'), /too small: the smallest that works|SIGKILL/)
  })
})
