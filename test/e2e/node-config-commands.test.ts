import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { lastJson, sealsync, temporaryDirectory } from '#test/support/node/cli.ts'
import { command } from '#test/support/node/command.ts'

describe('commands that need no node', () => {
  const home = temporaryDirectory()
  after(() => home.remove())

  it('config default prints a file that config validate takes back', async () => {
    const printed = await sealsync(['config', 'default'])
    assert.equal(printed.code, 0)
    assert.match(printed.stdout, /\[memory\]/)
    const file = join(home.path, 'config.toml')
    writeFileSync(file, printed.stdout)
    const checked = await sealsync(['config', 'validate', '--config', file, '--identities', 'identities.json'])
    assert.equal(checked.code, 0, checked.stderr)
    assert.match(checked.stdout, /^ok: \d+ settings/)
  })

  it('config validate names what does not fit, and ends with 3', async () => {
    const refused = await sealsync(['config', 'validate', '--identities', 'x', '--cache', '4GiB'])
    assert.equal(refused.code, 3)
    assert.match(refused.stderr, /memory\.cache.*memory\.budget/)
  })

  it('the help of every setting says what it may be and what it is by default, as people write it', async () => {
    const help = (await command(['run', '--help'])).stdout.replace(/\s+/g, ' ')
    for (const line of [
      /--role <choice> .*?; one of access, execution, observer \(SEALSYNC_NODE_ROLE; default access\)/,
      /--stop-timeout <duration> [^;]*; default 20s\)/,
      /--cache <size> [^;]*; default 64MiB\)/,
      /--start-height <start-height> [^;]*latest-1000/
    ]) {
      assert.match(help, line)
    }
    const shaped = (await command(['compare', '--help'])).stdout.replace(/\s+/g, ' ')
    assert.match(shaped, /--blob-size <size> size of each synthetic blob \(default 1MiB\)/)
    assert.match(
      (await command(['localnet', '--help'])).stdout,
      /--blob-size <size> +size of each synthetic blob \(default mixed\)/
    )
  })

  it('config show says where each value came from', async () => {
    const shown = await sealsync(['config', 'show', '--origin', '--quorum', '3'], { SEALSYNC_LOG_LEVEL: 'warn' })
    assert.match(shown.stdout, /feed\.quorum = 3 +# flag/)
    assert.match(shown.stdout, /log\.level = "warn" +# env/)
    assert.match(shown.stdout, /node\.role = "access" +# default/)
  })

  it('version says what this is, with and without --json', async () => {
    const version = lastJson<{ version: string; revision: string; node: string }>(await sealsync(['version', '--json']))
    assert.match(version.version, /^\d+\.\d+\.\d+/)
    assert.match((await sealsync(['--version'])).stdout, new RegExp(`^${version.version.replaceAll('.', '\\.')}`))
  })

  it('init with a key of its own gives the peer id of that key', async () => {
    const key = join(home.path, 'given.key')
    writeFileSync(key, `${'0'.repeat(63)}1\n`)
    const dataDir = join(home.path, 'node')
    const init = [
      'init',
      '--data-dir',
      dataDir,
      '--role',
      'access',
      '--address',
      'node.example:3569',
      '--network-key-file',
      key,
      '--json'
    ]
    assert.equal(lastJson<{ Address: string }>(await sealsync(init)).Address, 'node.example:3569')
    // The peer id of the P-256 generator point, as go-libp2p writes it.
    const identity = lastJson<{ peerId: string }>(await sealsync(['identity', '--data-dir', dataDir, '--json']))
    assert.equal(identity.peerId, 'QmQBDSWypmTn4fBckNJfHS2jFvJ4ysijezQeeimXf6vHp9')
  })

  it('the help lists every command', async () => {
    const help = (await sealsync(['--help'])).stdout
    for (const name of [
      'init',
      'run',
      'stop',
      'status',
      'peers',
      'identity',
      'localnet',
      'import',
      'export',
      'config',
      'log-level',
      'version'
    ]) {
      assert.match(help, new RegExp(`\\b${name}\\b`))
    }
  })
})
