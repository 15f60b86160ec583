import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Ingest } from '#src/lab/localnet/feeder.ts'
import { Localnet } from '#src/lab/localnet/localnet.ts'
import { Progress } from '#src/lab/localnet/progress.ts'
import type { LocalnetReport } from '#src/lab/localnet/report.ts'
import { folderSource, takeBlocks } from '#src/lab/localnet/source.ts'
import { defaultLocalnetOptions, type LocalnetOptions } from '#src/lab/options.ts'
import type { PeerIdText } from '#src/model/index.ts'
import { systemClock, systemRng } from '#src/util/index.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const chain = join(root, 'test/fixtures/chain')
const launcher = fileURLToPath(new URL('../support/lab/fake-node.mjs', import.meta.url))

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'localnet-driver-'))
})
after(() => rm(folder, { recursive: true }))

/** What an execution node would do: the block's CAR is to be had from every node. */
const ingest: Ingest = async (node, block) => {
  const cars = join(dirname(node.plan.dataDir), 'cars')
  await mkdir(cars, { recursive: true })
  await writeFile(join(cars, `${block.height}.car`), block.car)
}

interface Outcome {
  readonly report: LocalnetReport
  readonly text: string
}

async function runWith(
  behaviours: Readonly<Record<string, string>>,
  over: Partial<LocalnetOptions> = {},
  signal: AbortSignal = new AbortController().signal
): Promise<Outcome> {
  const localnet = { ...defaultLocalnetOptions, execution: 1, access: 2, blocks: 4, rate: 50, quietMs: 0, ...over }
  const written: string[] = []
  const components = {
    clock: systemClock,
    rng: systemRng,
    initNode: async () => ({ entry: {}, peerId: 'Qm' as PeerIdText }),
    ingest,
    progress: new Progress({ clock: systemClock, stream: { write: (text) => written.push(text) } }, { colour: false }),
    build: { version: '1.2.3', revision: 'abc' },
    launcher
  }
  process.env['FAKE_NODES'] = JSON.stringify(behaviours)
  try {
    const source = takeBlocks(await folderSource(chain, 'chain'), localnet.blocks ?? 4)
    const report = await new Localnet(components, { localnet, source }).run({ signal })
    return { report, text: written.join('') }
  } finally {
    delete process.env['FAKE_NODES']
  }
}

const alive = (pid: number | null): boolean => {
  try {
    process.kill(pid ?? 0, 0)
    return pid !== null
  } catch {
    return false
  }
}

describe('the localnet driver', () => {
  it('reports a run in which every node holds every block', async () => {
    const { report } = await runWith({})
    const lines = (await readFile(join(chain, 'blocks.jsonl'), 'utf8')).split('\n').slice(0, 4)
    const listed = lines.map((line) => JSON.parse(line) as { blobs: number; bytes: number })
    assert.deepEqual(report.reasons, [])
    assert.equal(report.ok, true)
    assert.equal(report.schema, 'sealsync.localnet/1')
    const { blockRate, ...workload } = report.workload
    assert.equal(blockRate, 50)
    assert.deepEqual(workload, {
      source: 'chain',
      blocks: 4,
      blobs: listed.reduce((sum, block) => sum + block.blobs, 0),
      bytes: listed.reduce((sum, block) => sum + block.bytes, 0),
      delayMs: 0,
      firstHeight: 1_000_000,
      lastHeight: 1_000_003
    })
    assert.deepEqual(
      report.nodes.map(({ name, role, exitCode, ready, connections }) => [name, role, exitCode, ready, connections]),
      [
        ['execution-1', 'execution', 0, true, 2],
        ['access-1', 'access', 0, true, 2],
        ['access-2', 'access', 0, true, 2]
      ]
    )
    assert.equal(report.totals.usefulBytes, 1_200)
    assert.equal(report.totals.producerUploadShare, 1)
    assert.equal(report.latencyMs.announceToStored.count, 8)
    assert.equal(report.latencyMs.announceToStored.method, 'worst-node')
    assert.ok(report.nodes.every((node) => !alive(node.pid)))
    if (process.platform === 'linux') assert.ok(report.nodes.every((node) => node.rssBytes.peak > 10_000_000))
  })

  it('starts a killed node again on its data directory and tells its lives apart', async () => {
    const { report, text } = await runWith({}, { kill: 1 })
    assert.deepEqual(report.reasons, [])
    const node = report.nodes.find(({ name }) => name === 'access-1')
    assert.deepEqual(
      node?.runs?.map((run) => run.presentAtStart),
      [0, 1]
    )
    assert.equal(typeof node?.runs?.[1]?.readyMs, 'number')
    assert.equal(node?.exitCode, 0)
    assert.match(text, /access-1 is killed\n(.|\n)*access-1 is back/)
    assert.equal(report.nodes.find(({ name }) => name === 'access-2')?.runs, undefined)
  })

  it('holds it against a node that it received again what it had acknowledged', async () => {
    const { report } = await runWith({ 'access-1': 'refetches' }, { kill: 1 })
    assert.deepEqual(report.reasons, ['access-1 received 5 blobs again that it had acknowledged'])
  })

  it('finds a block whose bytes are others', async () => {
    const { report } = await runWith({ 'access-2': 'wrong' })
    assert.deepEqual(report.reasons, [
      'access-2 is wrong about 1 of 4 blocks (height 1000001: other bytes than were given)'
    ])
    assert.deepEqual([report.ok, report.measured], [false, false])
  })

  it('does not judge a node that was made silent, and ends it', async () => {
    const { report } = await runWith({ 'access-2': 'wrong' }, { silent: 1, blocks: 1 })
    assert.deepEqual(report.reasons, [])
    assert.equal(report.nodes.at(-1)?.fault, 'silent')
    assert.ok(!alive(report.nodes.at(-1)?.pid ?? null))
  })

  it('shows the last words of a node that dies at its start, and ends the others', async () => {
    const { report, text } = await runWith({ 'access-1': 'dies' })
    assert.deepEqual(report.reasons, ['access-1 ended with exit code 3'])
    assert.match(text, /\| access-1 has no wish to live/)
    assert.ok(report.nodes.every((node) => !alive(node.pid)))
  })

  it('says so when a node does not end well', async () => {
    const { report } = await runWith({ 'execution-1': 'late' })
    assert.deepEqual(report.reasons, ['execution-1 did not stop cleanly: exit code 3'])
  })

  it('ends the start when it is interrupted', async () => {
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(new Error('stopped by SIGINT')), 300)
    const { report } = await runWith({ 'access-1': 'alone' }, {}, controller.signal)
    clearTimeout(timer)
    assert.deepEqual(report.reasons, ['stopped by SIGINT'])
    assert.ok(report.nodes.every((node) => !alive(node.pid)))
  })

  it('comes to its report when it is interrupted half way', async () => {
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(new Error('stopped by SIGINT')), 2_500)
    const { report } = await runWith({}, { blocks: 60, rate: 2 }, controller.signal)
    clearTimeout(timer)
    assert.equal(report.reasons.length, 1)
    assert.match(report.reasons[0] ?? '', /^interrupted after \d+ of 60 blocks$/)
    assert.ok(report.workload.blocks > 0)
  })

  it('leaves logs, and data only when it is to be kept', async () => {
    const logs = join(folder, 'logs')
    await runWith({}, { out: logs })
    assert.deepEqual((await readdir(logs)).sort(), [
      'access-1.log',
      'access-2.log',
      'blocks.jsonl',
      'execution-1.log',
      'identities.json'
    ])
    const kept = join(folder, 'kept')
    await runWith({}, { out: kept, keepData: true })
    assert.equal(
      JSON.parse(await readFile(join(kept, 'access-1', 'addresses.json'), 'utf8')).api.slice(0, 10),
      '127.0.0.1:'
    )
    await assert.rejects(runWith({}, { out: kept }), { code: 'bad-option', message: /holds an earlier run/ })
  })
})

describe('a folder of blocks', () => {
  it('is refused when it is not one', async () => {
    await assert.rejects(folderSource(join(folder, 'nowhere')), { code: 'bad-source', message: /nowhere/ })
  })

  const rows: readonly (readonly [text: string, fault: RegExp])[] = [
    ['', /lists no block/],
    ['{"height"', /line 1 is not JSON/],
    ['{"height":1}', /line 1 needs height, blockId and executionDataId/],
    [`${'\n'}{"height":1,"blockId":"zz","executionDataId":"zz"}`, /line 2 needs/]
  ]
  for (const [text, fault] of rows) {
    it(`is refused when its list is ${JSON.stringify(text)}`, async () => {
      const dir = await mkdtemp(join(folder, 'list-'))
      await writeFile(join(dir, 'blocks.jsonl'), text)
      await assert.rejects(folderSource(dir), { code: 'bad-source', message: fault })
    })
  }

  it('is refused when heights do not ascend, or a file is another one', async () => {
    const dir = await mkdtemp(join(folder, 'list-'))
    const id = 'ab'.repeat(32)
    const line = (height: number, more: object = {}): string =>
      `${JSON.stringify({ height, blockId: id, executionDataId: id, ...more })}\n`
    await writeFile(join(dir, 'blocks.jsonl'), line(5) + line(5))
    await assert.rejects(folderSource(dir), { message: /line 2: heights must ascend/ })
    await writeFile(join(dir, 'blocks.jsonl'), line(5, { carSha256: id }))
    await writeFile(join(dir, '5.car'), Uint8Array.of(1, 0))
    const take = async (): Promise<void> => {
      for await (const block of (await folderSource(dir)).blocks()) assert.fail(`block ${block.height} was given`)
    }
    await assert.rejects(take(), { code: 'bad-source', message: /is not the file that blocks.jsonl describes/ })
    await rm(join(dir, '5.car'))
    await assert.rejects(take(), { code: 'bad-source', message: /5\.car cannot be read/ })
  })
})
