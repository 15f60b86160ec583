import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hammerOptions } from '#cmd/hammer.ts'
import { parseAgainst } from '#src/lab/hammer/foreign.ts'
import { LEVELS, loadOf, sizeOf } from '#src/lab/hammer/options.ts'
import { defaultHammerOptions, HAMMER_MODES, validateHammerOptions } from '#src/lab/index.ts'

describe("hammer's flags", () => {
  it('are its options; what is not given keeps its default', () => {
    assert.deepEqual(hammerOptions('hybrid', {}), { ...defaultHammerOptions, mode: 'hybrid' })
    const flags = {
      level: 'storm',
      connections: '5',
      rate: '2.5',
      size: '64MiB',
      for: '600s',
      seed: '7',
      hops: '3',
      memory: '256MiB',
      limit: false,
      profile: 'standard',
      set: 'cache=0',
      quiet: '5s',
      recovery: '7s',
      out: '/tmp/x',
      json: true
    }
    assert.deepEqual(hammerOptions('soak', flags), {
      mode: 'soak',
      level: 'storm',
      connections: 5,
      rate: 2.5,
      sizeBytes: 67_108_864,
      forMs: 600_000,
      seed: 7,
      hops: 3,
      memoryBytes: 268_435_456,
      noLimit: true,
      profile: 'standard',
      settings: { cache: '0' },
      quietMs: 5_000,
      recoveryMs: 7_000,
      out: '/tmp/x'
    })
  })

  const rows: readonly (readonly [mode: string, flags: Record<string, string | boolean>, fault: RegExp])[] = [
    ['read', { level: 'hurricane' }, /--level 'hurricane' must be one of light, heavy, storm/],
    ['read', { connections: '0' }, /--connections must lie between 1 and 64/],
    ['read', { connections: '65' }, /--connections must lie between 1 and 64/],
    ['read', { rate: '0' }, /--rate must be above 0/],
    ['read', { size: 'big' }, /--size 'big' must be a size/],
    ['read', { size: '511' }, /--size must lie between 512/],
    ['read', { for: '10ms' }, /--for must be 1s or more/],
    ['read', { memory: '63MiB' }, /--memory must be 64.0 MiB or more: no node starts in less/],
    ['calls', { hops: '17' }, /--hops must lie between 1 and 16/],
    ['calls', { size: '2MiB' }, /--size of calls must be 1MiB at most/],
    ['growth', { blocks: '9' }, /--blocks must lie between 10 and/],
    ['write', { against: '127.0.0.1:1', networkKeyFile: 'k' }, /write needs blocks that the driver makes/],
    ['read', { against: '127.0.0.1:1' }, /--against needs --network-key-file FILE/],
    ['read', { networkKeyFile: 'k' }, /--network-key-file is of use with --against/],
    ['read', { apiAddress: '127.0.0.1:1' }, /--metrics-address and --api-address say where/],
    ['read', { against: '127.0.0.1:1', networkKeyFile: 'k', memory: '256MiB' }, /--memory cannot be set for a node/],
    ['read', { quiet: '0s' }, /--quiet must lie between/]
  ]
  for (const [mode, flags, fault] of rows) {
    it(`${mode} ${JSON.stringify(flags)} is refused`, () => {
      assert.throws(() => hammerOptions(mode, flags), { code: 'usage', message: fault })
    })
  }

  it('let every mode go with nothing but its name', () => {
    for (const mode of HAMMER_MODES)
      assert.deepEqual(validateHammerOptions({ ...defaultHammerOptions, mode }), [], `${mode}`)
  })
})

describe('a level', () => {
  it('is what it says unless a number is given in so many words', () => {
    const options = { ...defaultHammerOptions, mode: 'read' as const, level: 'storm' as const }
    assert.deepEqual(loadOf(options), LEVELS.storm)
    assert.deepEqual(loadOf({ ...options, connections: 2, rate: 9 }), { ...LEVELS.storm, connections: 2, rate: 9 })
  })

  it('says how much there is to read, unless a size is given', () => {
    assert.equal(sizeOf({ mode: 'read', level: 'storm' }), 1_073_741_824)
    assert.equal(sizeOf({ mode: 'read', level: 'storm', sizeBytes: 600 }), 600)
    assert.equal(sizeOf({ mode: 'fanout', level: 'storm' }), 20 * 1_048_576)
  })
})

describe('the address of a running node', () => {
  const rows: readonly (readonly [text: string, at: ReturnType<typeof parseAgainst>])[] = [
    ['127.0.0.1:3569', { host: '127.0.0.1', port: 3569 }],
    ['/ip4/127.0.0.1/tcp/3569', { host: '127.0.0.1', port: 3569 }],
    ['/dns4/node.example/tcp/3569/p2p/QmX', { host: 'node.example', port: 3569 }],
    ['/ip4/127.0.0.1/udp/3569', undefined],
    ['nowhere', undefined]
  ]
  for (const [text, at] of rows) it(text, () => assert.deepEqual(parseAgainst(text), at))
})
