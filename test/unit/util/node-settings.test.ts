import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeSettings, profileOf } from '../../../bin/node-settings.mjs'

test('the launcher finds the profile where the command line will: flag, environment, file', () => {
  const file = '[node]\n# profile = "archive"\nrole = "access"\n  profile = "nano" # small\n'
  const files: Readonly<Record<string, string>> = {
    '/data/config.toml': file,
    '/etc/other.toml': "profile = 'archive'"
  }
  const read = (path: string): string | undefined => files[path]
  const cases: readonly (readonly [string[], Record<string, string>, string | undefined])[] = [
    [[], {}, undefined],
    [['--profile', 'nano'], {}, 'nano'],
    [['--profile=nano', '--data-dir', '/data'], {}, 'nano'],
    // The last one counts, as for the command line.
    [['--profile', 'nano', '--profile=standard'], {}, 'standard'],
    [['--profile', 'standard'], { SEALSYNC_NODE_PROFILE: 'nano' }, 'standard'],
    [['--data-dir', '/data'], { SEALSYNC_NODE_PROFILE: 'standard' }, 'standard'],
    [['--data-dir', '/data'], {}, 'nano'],
    [[], { SEALSYNC_DATA_DIR: '/data' }, 'nano'],
    [['--data-dir', '/data', '--config', '/etc/other.toml'], {}, 'archive'],
    [['--data-dir', '/data'], { SEALSYNC_CONFIG: '/etc/other.toml' }, 'archive'],
    [['--data-dir', '/nowhere'], {}, undefined],
    [['--profile'], {}, undefined]
  ]
  for (const [args, env, profile] of cases)
    assert.equal(profileOf(args, env, read), profile, JSON.stringify([args, env]))
})

test('nano gives freed memory back, the others keep what a blob needs', () => {
  assert.equal(nodeSettings('nano').environment['MALLOC_MMAP_THRESHOLD_'], '131072')
  assert.ok(nodeSettings('nano').flags.includes('--no-maglev'))
  const youngGeneration = (profile: string): string | undefined =>
    nodeSettings(profile).flags.findLast((flag) => flag.startsWith('--max-semi-space-size='))
  assert.equal(youngGeneration('nano'), '--max-semi-space-size=1')
  assert.equal(youngGeneration('standard'), '--max-semi-space-size=16')
  assert.ok(!nodeSettings(undefined).flags.includes('--no-maglev'))
  assert.equal(nodeSettings('standard').environment, nodeSettings(undefined).environment)
  assert.ok(Number(nodeSettings(undefined).environment['MALLOC_MMAP_THRESHOLD_']) > 1024 ** 2)
})
