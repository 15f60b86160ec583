import assert from 'node:assert/strict'
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { defaultHammerOptions, defaultLocalnetOptions, type HammerOptions, runHammer } from '#src/lab/index.ts'
import { LabHttp } from '#src/lab/localnet/http.ts'
import { adminIngest } from '#src/lab/localnet/ingest.ts'
import { NodeProcess } from '#src/lab/localnet/node-process.ts'
import { runArguments } from '#src/lab/localnet/plan.ts'
import { type PreparedNetwork, prepareNetwork } from '#src/lab/localnet/prepare.ts'
import { SYNTHETIC_FIRST_HEIGHT, syntheticSource } from '#src/lab/localnet/synthetic-source.ts'
import { takeBlocks } from '#src/lab/localnet/source.ts'
import { initNode } from '#src/node/index.ts'
import { sleep, systemClock, systemRng } from '#src/util/index.ts'

const launcher = fileURLToPath(new URL('../../bin/sealsync.mjs', import.meta.url))
const signal = new AbortController().signal
const quiet = { stream: { write: () => true }, signal }
const BASE: HammerOptions = {
  ...defaultHammerOptions,
  mode: 'read',
  connections: 1,
  forMs: 1_500,
  quietMs: 1_000,
  recoveryMs: 0
}

describe('a target that runs already', () => {
  const http = new LabHttp()
  let network: PreparedNetwork
  let node: NodeProcess
  let options: HammerOptions

  before(async () => {
    network = await prepareNetwork({ rng: systemRng, initNode }, { ...defaultLocalnetOptions, execution: 1, access: 1 })
    const [plan, other] = network.nodes
    assert.ok(plan !== undefined && other !== undefined)
    const shared = { options: defaultLocalnetOptions, paths: network.paths, firstHeight: SYNTHETIC_FIRST_HEIGHT }
    node = new NodeProcess(
      { clock: systemClock, http },
      { plan, launch: { launcher, args: runArguments(plan, shared) } }
    )
    await node.start()
    await node.ready({ signal })
    const ingest = adminIngest()
    const source = takeBlocks(syntheticSource({ seed: 1, chunkBytes: [20_000, 30_000] }, SYNTHETIC_FIRST_HEIGHT), 4)
    for await (const block of source.blocks()) {
      await ingest(node, block, { signal })
      const { height, blockId, executionDataId } = block
      await appendFile(network.paths.blockList, `${JSON.stringify({ height, blockId, executionDataId })}\n`)
    }
    while ((await node.status()).heights.consecutive !== SYNTHETIC_FIRST_HEIGHT + 3) await sleep(systemClock, 50)
    options = {
      ...BASE,
      against: plan.listenAddress,
      networkKeyFile: join(other.dataDir, 'keys', 'network.key'),
      againstMetrics: node.addresses?.metrics ?? '',
      againstApi: node.addresses?.api ?? ''
    }
  })
  after(async () => {
    node.end('SIGKILL')
    await node.ended()
    http.close()
    await network.cleanUp()
  })

  it('is read by a peer of its identity table and over its API', async () => {
    const report = await runHammer(options, quiet)
    assert.deepEqual(
      report.reasons.filter((reason) => !reason.startsWith('resident memory')),
      []
    )
    assert.ok((report.phases.find(({ name }) => name === 'read')?.requests.ok ?? 0) > 0)
    assert.equal(report.target.oomKills, null)
    assert.equal(report.target.syncLagMax, null)
  })

  it('that lets us in as nobody is no target', async () => {
    const [plan] = network.nodes
    // A node does not take itself for a peer.
    const own = { ...options, networkKeyFile: join(plan?.dataDir ?? '', 'keys', 'network.key') }
    await assert.rejects(runHammer(own, quiet), { code: 'bad-target' })
  })

  it('that vanishes under the load is told as such', async () => {
    const onceReading = (text: string): void => {
      if (text.includes('read begins')) systemClock.setTimer(300, () => node.end('SIGKILL'))
    }
    const report = await runHammer({ ...options, forMs: 3_000 }, { stream: { write: onceReading }, signal })
    assert.equal(report.ok, false)
    assert.match(report.reasons.join('\n'), /does not answer any more/)
    assert.ok(report.phases.some(({ requests }) => requests.failed > 0))
  })
})

describe('what is no sealsync node', () => {
  let server: Server
  let at = ''
  let folder = ''
  let networkKeyFile = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hammer-'))
    networkKeyFile = join(folder, 'network.key')
    await writeFile(networkKeyFile, '11'.repeat(32), { mode: 0o600 })
    server = createServer((request, response) => {
      response.end(request.url === '/v1/status' ? '{"hello":"world"}' : 'hello')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    at = `127.0.0.1:${(server.address() as { port: number }).port}`
  })
  after(async () => {
    await new Promise((resolve) => server.close(resolve))
    await rm(folder, { recursive: true })
  })

  it('is told from its status', async () => {
    const options = { ...BASE, against: at, againstMetrics: at, networkKeyFile }
    await assert.rejects(runHammer(options, quiet), {
      code: 'bad-target',
      message: /not the status of a sealsync node/
    })
  })

  it('and from the lack of one', async () => {
    const options = { ...BASE, against: at, againstMetrics: '127.0.0.1:1', networkKeyFile }
    await assert.rejects(runHammer(options, quiet), { code: 'bad-target', message: /does not answer as a node does/ })
  })
})
