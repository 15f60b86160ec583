import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { root } from '../../build/docs/source-facts.ts'
import type { LocalnetReport } from '#src/lab/index.ts'
import { lastJson, sealsync, temporaryDirectory } from '#test/support/node/cli.ts'

const HELIA_FOLDER = join(root, 'test', 'interop', 'helia-peer')
const installed = existsSync(join(HELIA_FOLDER, 'node_modules', '@helia', 'bitswap'))
const skip = installed ? false : 'Helia is not installed (npm ci --prefix test/interop/helia-peer)'

describe("a node with Helia's bitswap", () => {
  const home = temporaryDirectory()
  after(() => home.remove())

  it('brings a whole network to every block, with the copies that Helia asks for', { skip }, async () => {
    const shape = ['--execution', '1', '--access', '2', '--policy', 'helia', '--source', 'synthetic']
    const load = ['--blob-size', '64KiB', '--blobs-per-block', '1', '--for', '4s', '--rate', '3', '--quiet', '0s']
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(root, 'bin', 'sealsync.mjs'), 'localnet', ...shape, ...load, '--json'],
      { cwd: HELIA_FOLDER }
    )
    const report = JSON.parse(stdout) as LocalnetReport
    assert.deepEqual([report.ok, report.reasons], [true, []])
    const access = report.nodes.filter(({ role }) => role === 'access')
    for (const { payloadBytes, streams, wants, blobs } of access) {
      assert.equal(payloadBytes.received, payloadBytes.useful + payloadBytes.duplicate)
      assert.ok(payloadBytes.duplicate > 0, 'whoever has it is asked too')
      assert.equal(wants.cancelled, 0)
      assert.ok(blobs.unique > 0 && streams.opened > blobs.unique)
    }
  })

  it('says in one line what is missing where the package is not installed', async () => {
    const args = ['init', '--data-dir', home.path, '--role', 'access', '--address', '127.0.0.1:4001', '--json']
    const entry = lastJson<unknown>(await sealsync(args))
    const identities = join(home.path, 'identities.json')
    writeFileSync(identities, JSON.stringify([entry]))
    const { code, stderr } = await sealsync([
      ...['run', '--data-dir', home.path, '--identities', identities, '--policy', 'helia'],
      ...['--p2p-address', '127.0.0.1:0', '--metrics-address', '127.0.0.1:0', '--api-address', '127.0.0.1:0']
    ])
    assert.equal(code, 3, stderr)
    assert.match(stderr, /policy helia needs the package @helia\/bitswap.*npm install @helia\/bitswap@4\.0\.19/)
  })
})
