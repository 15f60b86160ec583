import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import {
  chainBlockList,
  chainFixture,
  freePort,
  lastJson,
  RunningNode,
  sealsync,
  temporaryDirectory,
  until
} from '#test/support/node/cli.ts'

/** What `init` prints. */
type Entry = Record<string, unknown>

describe('a node that cannot run says in one line why, and by its exit code', () => {
  const home = temporaryDirectory()
  const dataDir = join(home.path, 'node')
  const identities = join(home.path, 'identities.json')
  const listen = [
    '--metrics-address',
    '127.0.0.1:0',
    '--api-address',
    '127.0.0.1:0',
    '--p2p-address',
    '127.0.0.1:0',
    '--log-level',
    'silent'
  ]
  const run = ['run', '--data-dir', dataDir, '--identities', identities, ...listen]
  let entry: Entry = {}

  before(async () => {
    entry = lastJson<Entry>(
      await sealsync([
        'init',
        '--data-dir',
        dataDir,
        '--role',
        'access',
        '--address',
        `127.0.0.1:${await freePort()}`,
        '--json'
      ])
    )
    writeFileSync(identities, JSON.stringify([entry]))
  })
  after(() => home.remove())

  const assertRefused = async (args: readonly string[], code: number, line: RegExp): Promise<void> => {
    const finished = await sealsync(args)
    assert.equal(finished.code, code, finished.stderr)
    assert.match(finished.stderr, line)
    assert.equal(finished.stderr.trimEnd().split('\n').length, 1, finished.stderr)
    assert.equal(finished.stdout, '')
  }

  it('an unknown flag, a flag without its value, an unknown command', async () => {
    await assertRefused(['run', '--data-dri', dataDir], 2, /unknown option '--data-dri'/)
    assert.equal((await sealsync(['rum'])).code, 2)
    await assertRefused(
      ['run'],
      3,
      /network\.identities \(--identities FILE\) is needed|--data-dir DIR is needed/
    ).catch(async () => {
      await assertRefused(['run'], 2, /--data-dir DIR is needed/)
    })
  })

  it('an unknown configuration key: the file, the key, the one that was meant', async () => {
    const file = join(home.path, 'bad.toml')
    writeFileSync(file, '[memory]\ncahce = "1MiB"\n')
    await assertRefused([...run, '--config', file], 3, /unknown key 'memory\.cahce'.*did you mean 'memory\.cache'/)
  })

  it('an identity table with a broken key: which entry and why', async () => {
    const broken = join(home.path, 'broken.json')
    writeFileSync(
      broken,
      JSON.stringify([entry, { ...entry, NodeID: 'ab'.repeat(32), NetworkPubKey: 'ff'.repeat(64) }])
    )
    const args = run.map((arg) => (arg === identities ? broken : arg))
    await assertRefused(args, 3, /entry 1: NetworkPubKey/)
  })

  it('a key that is not in the identity table', async () => {
    const other = join(home.path, 'other')
    lastJson(await sealsync(['init', '--data-dir', other, '--role', 'access', '--address', '127.0.0.1:4001', '--json']))
    await assertRefused(
      run.map((arg) => (arg === dataDir ? other : arg)),
      8,
      /not in the identity table/
    )
  })

  it('a role that the identity table contradicts', async () => {
    await assertRefused([...run, '--role', 'execution', '--feed', `file:${chainBlockList}`], 3, /is of role access/)
  })

  it('a key file that others may read', async () => {
    const key = join(dataDir, 'keys', 'network.key')
    chmodSync(key, 0o644)
    await assertRefused(run, 8, /network\.key.*mode|mode.*network\.key/i)
    chmodSync(key, 0o600)
  })

  it('a second init in the same place', async () => {
    await assertRefused(
      ['init', '--data-dir', dataDir, '--role', 'access', '--address', '127.0.0.1:4001'],
      3,
      /has a network key already/
    )
  })

  it('a port in use, for each listener', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const taken = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    try {
      for (const flag of ['--p2p-address', '--metrics-address', '--api-address']) {
        await assertRefused([...run, flag, taken], 6, new RegExp(`${taken.replaceAll('.', '\\.')}.*in use.*${flag}`))
      }
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })

  it('a data directory of a newer release', async () => {
    const newer = join(home.path, 'newer')
    lastJson(await sealsync(['init', '--data-dir', newer, '--role', 'access', '--address', '127.0.0.1:4001', '--json']))
    writeFileSync(join(newer, 'VERSION'), '99\n')
    await assertRefused(
      run.map((arg) => (arg === dataDir ? newer : arg)),
      5,
      /schema 99/
    )
  })

  it('a data directory that is in use, by run and by import', async () => {
    const node = new RunningNode(dataDir, run.slice(3))
    try {
      await until(node, () => node.addresses() !== undefined)
      await assertRefused(run, 4, /in use by another process \(pid \d+\)/)
      await assertRefused(
        ['import', '--data-dir', dataDir, '--feed', `file:${chainBlockList}`, chainFixture],
        4,
        /in use/
      )
    } finally {
      assert.equal(await node.stop(), 0)
    }
  })

  it('commands on a directory that holds no node, or on a node that does not run', async () => {
    const nothing = join(home.path, 'nothing')
    mkdirSync(nothing)
    await assertRefused(['status', '--data-dir', nothing], 3, /holds no node/)
    await assertRefused(['peers', '--data-dir', dataDir], 1, /no node is running/)
    await assertRefused(['stop', '--data-dir', dataDir], 1, /no node is running/)
  })

  it('a file or folder that is not there: which, and which flag names it', async () => {
    const nothing = join(home.path, 'not-there')
    const table = run.map((arg) => (arg === identities ? nothing : arg))
    await assertRefused(table, 3, /not-there: does not exist.*--identities/)
    await assertRefused(
      run.map((arg) => (arg === dataDir ? nothing : arg)),
      3,
      /not-there holds no node: make one with 'sealsync init --data-dir/
    )
    assert.ok(!existsSync(nothing), 'a directory was made')
    await assertRefused(['identity', '--data-dir', nothing], 8, /does not exist: make a node with 'sealsync init'/)
    const list = ['import', '--data-dir', dataDir, '--feed', `file:${nothing}`, chainFixture]
    await assertRefused(list, 3, /block list .*not-there: it does not exist; --feed/)
    await assertRefused(
      ['import', '--data-dir', dataDir, '--feed', `file:${chainBlockList}`, nothing],
      3,
      /not-there: no such file or folder/
    )
    const stats = lastJson<{ blobs: { count: number } }>(
      await sealsync(['db', 'stats', '--data-dir', dataDir, '--json'])
    )
    assert.equal(stats.blobs.count, 0, 'nothing was copied for a list that is not there')
    await assertRefused(['status', '--data-dir', identities], 3, /holds no node/)
  })

  it('a log level that there is not, whether a node runs or not', async () => {
    await assertRefused(['log-level', 'loud', '--data-dir', dataDir], 2, /'loud' is invalid.*debug, info/)
  })

  it('a CAR cut short: it costs itself, the others are taken, in whatever folder they lie', async () => {
    const cars = join(home.path, 'cars')
    mkdirSync(join(cars, 'epoch', 'day'), { recursive: true })
    const whole = readFileSync(join(chainFixture, '1000001.car'))
    writeFileSync(join(cars, 'epoch', 'day', '1000001.car'), whole)
    writeFileSync(join(cars, '1000002.car'), readFileSync(join(chainFixture, '1000002.car')).subarray(0, 700))
    const finished = await sealsync([
      'import',
      '--data-dir',
      dataDir,
      '--feed',
      `file:${chainBlockList}`,
      '--json',
      cars
    ])
    assert.equal(finished.code, 1)
    const result = JSON.parse(finished.stdout) as { tracked: number; reasons: string[] }
    assert.equal(result.tracked, 1)
    assert.match(result.reasons.join(), /1000002\.car/)
  })

  it('is stopped by SIGINT in order', async () => {
    const node = new RunningNode(dataDir, run.slice(3))
    await until(node, () => node.addresses() !== undefined)
    node.signal('SIGINT')
    assert.equal(await node.ended(), 0)
  })

  it('is ended at once by a second SIGINT while it stops', async () => {
    const script =
      "import { systemContext } from '#cmd/system-context.ts'; const { context } = systemContext(); setInterval(() => {}, 1000); " +
      "context.signal.addEventListener('abort', () => console.log('stopping')); console.log('ready')"
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const closed = new Promise((resolve) => child.on('close', resolve))
    for await (const line of createInterface({ input: child.stdout })) {
      assert.ok(line === 'ready' || line === 'stopping')
      child.kill('SIGINT')
    }
    assert.equal(await closed, 130)
  })
})
