import assert from 'node:assert/strict'
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { chainBlockList, chainFixture, lastJson, type RunningNode, sealsync, until } from '#test/support/node/cli.ts'
import { testNetwork } from '#test/support/node/test-network.ts'

const FIRST = 1_000_000
const LAST = 1_000_071
/** What there is when the node is told to leave; the rest comes while it sheds. */
const HELD = 1_000_059

interface LeavingStatus {
  readonly heights: {
    readonly lowest: number | null
    readonly highest: number | null
    readonly prunedTo: number | null
  }
  readonly blobs: { readonly count: number }
  readonly windDown?: {
    readonly state: string
    readonly starts: number
    readonly below: number | null
    readonly shed: { readonly blobs: number }
  }
}

interface Ready {
  readonly checks: readonly { readonly name: string; readonly ok: boolean }[]
}

describe('a node that winds down', () => {
  const network = testNetwork()
  const statusOf = async (node: RunningNode): Promise<LeavingStatus | undefined> =>
    (await node.status().catch(() => undefined)) as LeavingStatus | undefined
  const isOpen = async (node: RunningNode, check: string): Promise<boolean> => {
    const answer = await fetch(`http://${node.addresses()?.metrics}/readyz`)
    return ((await answer.json()) as Ready).checks.some(({ name, ok }) => name === check && !ok)
  }

  it('sheds a part and stays; sheds everything, killed in the middle, ends with 0 and leaves its record alone', async () => {
    await network.init({ execution: 'execution', access: 'access', other: 'access' })
    const accessDir = network.dataDir('access')
    await network.importChain('execution')
    const lines = readFileSync(chainBlockList, 'utf8').trimEnd().split('\n')
    const list = join(network.path, 'blocks.jsonl')
    const give = (from: number, to: number): void => appendFileSync(list, `${lines.slice(from, to).join('\n')}\n`)
    give(0, HELD - FIRST + 1)
    network.start('execution', ['--feed', `file:${list}`, '--follow'])
    const args = ['--start-height', String(FIRST)]
    const access = network.start('access', args)
    const other = network.start('other', args)
    for (const node of [access, other]) {
      await until(node, async () => (await node.status())?.heights.consecutive === HELD)
    }

    const windDown = (words: readonly string[]) => sealsync(['wind-down', '--data-dir', accessDir, '--json', ...words])
    const part = lastJson<NonNullable<LeavingStatus['windDown']>>(await windDown(['--below', String(FIRST + 21)]))
    assert.deepEqual([part.state, part.below], ['done', FIRST + 21])
    assert.equal((await statusOf(access))?.heights.lowest, FIRST + 21)
    assert.equal(await isOpen(access, 'winding-down'), false)

    // It serves for an hour more, so the command has to be interrupted; then the hour is over.
    const kept = windDown(['--keep-serving-until', '1h', '--rate', '100KiB'])
    // The start is in the record, on the disk, before the kill.
    await until(access, async () => {
      const order = (await statusOf(access))?.windDown
      return order?.state === 'ordered' && order.starts === 1
    })
    assert.equal(await isOpen(access, 'winding-down'), true)
    assert.equal((await statusOf(access))?.heights.lowest, FIRST + 21)
    const served = await fetch(`http://${access.addresses()?.api}/v1/execution-data/${HELD}?format=car`)
    assert.deepEqual(Buffer.from(await served.arrayBuffer()), readFileSync(join(chainFixture, `${HELD}.car`)))
    give(HELD - FIRST + 1, HELD - FIRST + 5)
    await until(other, async () => (await other.status())?.heights.consecutive === HELD + 4)
    assert.equal((await statusOf(access))?.heights.highest, HELD, 'who leaves fetches nothing new')
    access.signal('SIGKILL')
    await access.ended()
    assert.equal((await kept).code, 0)
    const record = join(accessDir, 'wind-down.json')
    const ordered = JSON.parse(readFileSync(record, 'utf8')) as object
    writeFileSync(record, JSON.stringify({ ...ordered, keepServingUntilMs: 1 }))

    const again = network.start('access', args)
    await until(again, async () => ((await statusOf(again))?.heights.lowest ?? 0) > FIRST + 22)
    give(HELD - FIRST + 5, LAST - FIRST)
    again.signal('SIGKILL')
    await again.ended()
    const shedding = JSON.parse(readFileSync(record, 'utf8')) as object
    writeFileSync(record, JSON.stringify({ ...shedding, bytesPerSecond: 0 }))
    const last = network.start('access', args)
    assert.equal(await last.ended(), 0, last.output)
    assert.deepEqual(readdirSync(accessDir), ['wind-down.json'])
    const done = JSON.parse(readFileSync(record, 'utf8')) as { state: string; starts: number; shed: { blobs: number } }
    assert.deepEqual([done.state, done.starts >= 3, done.shed.blobs > 20], ['done', true, true])

    const refused = await sealsync([
      'run',
      '--data-dir',
      accessDir,
      '--identities',
      network.identities,
      ...args,
      '--init'
    ])
    assert.deepEqual([refused.code, /was wound down/.test(refused.stderr)], [3, true])
    const asked = await sealsync(['status', '--data-dir', accessDir])
    assert.deepEqual([asked.code, /was wound down/.test(asked.stderr)], [3, true])
    give(LAST - FIRST, LAST - FIRST + 1)
    await until(other, async () => (await other.status())?.heights.consecutive === LAST)
    for (let height = FIRST; height <= LAST; height += 1) {
      const got = await fetch(`http://${other.addresses()?.api}/v1/execution-data/${height}?format=car`)
      assert.deepEqual(Buffer.from(await got.arrayBuffer()), readFileSync(join(chainFixture, `${height}.car`)))
    }
  })
})
