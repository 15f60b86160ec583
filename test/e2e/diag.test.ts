import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { BlobCid, parseExecutionDataId } from '#src/model/index.ts'
import { chainBlockList, until } from '#test/support/node/cli.ts'
import { command } from '#test/support/node/command.ts'
import { testNetwork } from '#test/support/node/test-network.ts'

interface Bundle {
  readonly schema: string
  readonly parts: Readonly<Record<string, unknown>>
  readonly missing: readonly unknown[]
}

describe('what is sent along with a question about a node', () => {
  const network = testNetwork()
  const dataDir = network.dataDir('execution')
  const first = JSON.parse(readFileSync(chainBlockList, 'utf8').split('\n')[0] ?? '') as {
    readonly height: number
    readonly executionDataId: string
  }
  const root = BlobCid.fromExecutionDataId(parseExecutionDataId(first.executionDataId) ?? assert.fail())
  const nobody = BlobCid.fromDigest(new Uint8Array(32))
  const blob = (cid: BlobCid) => command(['diag', 'blob', String(cid), '--data-dir', dataDir, '--json'])
  const bundle = async (name: string): Promise<Bundle> => {
    const out = join(network.path, name)
    const made = await command(['diag', 'bundle', '--data-dir', dataDir, '--out', out])
    assert.equal(made.code, 0, made.stderr)
    assert.equal(statSync(out).mode & 0o777, 0o600)
    const text = readFileSync(out, 'utf8')
    const key = readFileSync(join(dataDir, 'keys', 'network.key'), 'utf8')
      .trim()
      .replace(/^0x/, '')
    assert.ok(key.length >= 64 && !text.includes(key), 'the network key is in it')
    return JSON.parse(text) as Bundle
  }

  before(async () => {
    await network.init({ execution: 'execution' })
    await network.importChain('execution')
  })

  const assertHeld = async (): Promise<void> => {
    const { code, stdout } = await blob(root)
    assert.equal(code, 0)
    const report = JSON.parse(stdout) as { readonly bytes: number }
    assert.deepEqual(report, {
      schema: 'sealsync.diag-blob/1',
      cid: String(root),
      latestHeight: first.height,
      held: true,
      bytes: report.bytes,
      intact: true
    })
    assert.ok(report.bytes > 0)
    const none = await blob(nobody)
    assert.equal(none.code, 1)
    assert.match(none.stdout, /"held":false,"bytes":null,"intact":null/)
  }

  it('is had from a stopped node', async () => {
    const { schema, parts, missing } = await bundle('stopped.json')
    assert.deepEqual([schema, missing], ['sealsync.diag/1', []])
    assert.deepEqual(Object.keys(parts), ['version', 'machine', 'config', 'status', 'store'])
    await assertHeld()
  })

  it('is had from a running node, with its peers and metrics', async () => {
    const node = network.start('execution', ['--feed', `file:${chainBlockList}`])
    await until(node, () => node.addresses() !== undefined)
    const { parts, missing } = await bundle('running.json')
    assert.deepEqual(missing, [])
    assert.deepEqual(Object.keys(parts), [
      ...['version', 'machine', 'config', 'status', 'peers', 'store', 'ready', 'metrics']
    ])
    assert.ok((parts['metrics'] as string[]).some((line) => line.startsWith('sealsync_build_info{')))
    await assertHeld()
    assert.equal(await node.stop(), 0)
  })

  it('overwrites no file, and refuses what is no CID and no node', async () => {
    const out = join(network.path, 'stopped.json')
    const again = await command(['diag', 'bundle', '--data-dir', dataDir, '--out', out])
    assert.equal(again.code, 2)
    assert.match(again.stderr, /^sealsync: cannot write .*--out\n$/)
    assert.equal((await command(['diag', 'blob', 'bafy', '--data-dir', dataDir])).code, 2)
    assert.equal((await command(['diag', 'bundle', '--data-dir', network.path])).code, 3)
  })

  it('tells a blob that the disk damaged', async () => {
    const segment = join(
      dataDir,
      'blobs',
      readdirSync(join(dataDir, 'blobs')).find((name) => name.endsWith('.seg')) ?? ''
    )
    const bytes = readFileSync(segment)
    const at = bytes.indexOf(root.digest)
    assert.ok(at > 0)
    // Behind the head of its record.
    const place = at + 64
    bytes[place] = (bytes[place] ?? 0) ^ 1
    writeFileSync(segment, bytes)
    const { code, stdout } = await blob(root)
    assert.equal(code, 1)
    assert.match(stdout, /"held":true,.*"intact":false/)
  })
})
