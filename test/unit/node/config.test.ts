import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { CONFIG_KEYS, envName } from '#src/node/config/keys.ts'
import { loadConfig } from '#src/node/config/load.ts'
import { toNodeConfig } from '#src/node/config/node-config.ts'
import { renderConfig, renderEffective } from '#src/node/config/render.ts'
import { NodeError } from '#src/node/errors.ts'

const enough = { identities: '/somewhere/identities.json' }

function problemsOf(run: () => unknown): readonly string[] {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof NodeError, String(error))
    assert.equal(error.code, 'config')
    return error.details['problems'] as string[]
  }
  assert.fail('no error')
}

function withFile(text: string, run: (path: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'sealsync-config-'))
  try {
    const path = join(dir, 'config.toml')
    writeFileSync(path, text)
    run(path)
  } finally {
    rmSync(dir, { recursive: true })
  }
}

describe('configuration', () => {
  it('takes flag over environment over file over profile over default', () => {
    withFile('[memory]\ncache = "3MiB"\n[sync]\nsearch-ahead = 7\n[log]\nlevel = "warn"\n', (path) => {
      const loaded = loadConfig({
        flags: { ...enough, profile: 'nano', cache: '1MiB' },
        env: { SEALSYNC_MEMORY_CACHE: '2MiB', SEALSYNC_SYNC_SEARCH_AHEAD: '9' },
        file: { path, required: true }
      })
      assert.deepEqual(loaded.get('memory.cache'), { value: 1024 ** 2, origin: 'flag' })
      assert.deepEqual(loaded.get('sync.search-ahead'), { value: 9, origin: 'env' })
      assert.deepEqual(loaded.get('log.level'), { value: 'warn', origin: 'file' })
      assert.deepEqual(loaded.get('memory.budget'), { value: 64 * 1024 ** 2, origin: 'profile' })
      assert.deepEqual(loaded.get('feed.quorum'), { value: 2, origin: 'default' })
    })
  })

  it('names an unknown key and the one that was meant', () => {
    withFile('[memory]\ncahce = "3MiB"\n', (path) => {
      const problems = problemsOf(() => loadConfig({ flags: enough, env: {}, file: { path, required: true } }))
      assert.match(problems.join(), /unknown key 'memory\.cahce'.*did you mean 'memory\.cache'/)
    })
    const problems = problemsOf(() => loadConfig({ flags: enough, env: { SEALSYNC_LOG_LEVLE: 'info' } }))
    assert.match(problems.join(), /SEALSYNC_LOG_LEVLE.*did you mean 'SEALSYNC_LOG_LEVEL'/)
  })

  it('reports all problems at once, each with its source', () => {
    const problems = problemsOf(() =>
      loadConfig({
        flags: { ...enough, 'p2p-address': 'nowhere', quorum: '0' },
        env: { SEALSYNC_MEMORY_CACHE: 'lots' }
      })
    )
    assert.equal(problems.length, 3)
    assert.match(problems.join('\n'), /--p2p-address: 'nowhere' must be HOST:PORT/)
    assert.match(problems.join('\n'), /--quorum: '0' must be a whole number from 1/)
    assert.match(problems.join('\n'), /SEALSYNC_MEMORY_CACHE: 'lots' must be a size/)
  })

  it('refuses a file that is not TOML, and a required one that is missing', () => {
    withFile('[memory\n', (path) => {
      assert.equal(problemsOf(() => loadConfig({ flags: enough, env: {}, file: { path, required: true } })).length, 1)
    })
    const missing = { path: '/nowhere/config.toml', required: true }
    assert.match(problemsOf(() => loadConfig({ flags: enough, env: {}, file: missing })).join(), /nowhere/)
    assert.ok(loadConfig({ flags: enough, env: {}, file: { ...missing, required: false } }))
  })

  it('checks what concerns two settings and names both', () => {
    const load = (flags: Record<string, unknown>) => () => toNodeConfig(loadConfig({ flags, env: {} }), '/data')
    assert.match(problemsOf(load({})).join(), /network\.identities/)
    assert.match(problemsOf(load({ ...enough, role: 'execution' })).join(), /node\.role.*feed\.source/)
    assert.match(problemsOf(load({ ...enough, cache: '1GiB' })).join(), /memory\.cache.*memory\.budget/)
    assert.match(problemsOf(load({ ...enough, feed: 'file:' })).join(), /feed\.source/)
  })

  it('gives the node typed settings', () => {
    const flags = {
      ...enough,
      feed: 'file:/blocks.jsonl',
      follow: true,
      'start-height': 'latest-5',
      'p2p-address': '[::1]:0'
    }
    const config = toNodeConfig(loadConfig({ flags, env: {} }), '/data')
    assert.deepEqual(config.feed, { kind: 'file', path: '/blocks.jsonl', quorum: 2, follow: true })
    assert.deepEqual(config.startHeight, { latestMinus: 5 })
    assert.deepEqual(config.p2pAddress, { host: '::1', port: 0 })
    assert.equal(config.variant, 'no-dht')
  })

  it('writes a commented file that names every key and reads back as nothing set', () => {
    const text = renderConfig()
    for (const key of CONFIG_KEYS) assert.ok(text.includes(envName(key.path)), key.path)
    withFile(text, (path) => {
      const loaded = loadConfig({ flags: {}, env: {}, file: { path, required: true } })
      assert.ok([...loaded.values()].every((entry) => entry.origin === 'default'))
    })
  })

  it('writes the defaults so that, set explicitly, they are the same values', () => {
    const uncommented = renderConfig()
      .replace(/^# ([a-z-]+ = )/gm, '$1')
      .replace(/^.* = ""$/gm, '')
    withFile(uncommented, (path) => {
      const explicit = loadConfig({ flags: {}, env: {}, file: { path, required: true } })
      const defaults = loadConfig({ flags: {}, env: {} })
      for (const [key, entry] of defaults) assert.deepEqual(explicit.get(key)?.value, entry.value, key)
    })
  })

  it('shows where each value came from', () => {
    const shown = renderEffective(loadConfig({ flags: { ...enough, quorum: '3' }, env: {} }), true)
    assert.match(shown, /feed\.quorum = 3 +# flag/)
    assert.match(shown, /memory\.cache = "64MiB" +# default/)
  })
})
