import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type IdentityEntry,
  IdentityTable,
  identityEntryFor,
  P2pError,
  parseHostPort,
  parseIdentities,
  readIdentities,
  toMultiaddrText
} from '#src/p2p/index.ts'
import { canonicalIp } from '#src/p2p/identity-table/address.ts'
import { arrayBatches } from '#src/p2p/identity-table/batches.ts'
import { makeMember } from './support.ts'

const entryOf = (rest: Partial<Record<keyof IdentityEntry, unknown>> = {}): Record<string, unknown> => ({
  ...identityEntryFor(makeMember('execution').identity),
  ...rest
})

const refusal = (entries: unknown): P2pError => {
  try {
    parseIdentities(typeof entries === 'string' ? entries : JSON.stringify(entries))
  } catch (error) {
    assert.ok(error instanceof P2pError)
    return error
  }
  return assert.fail('was accepted')
}

test('an entry comes back as it was printed', () => {
  for (const role of ['access', 'execution', 'observer', 'consensus'] as const) {
    const { identity } = makeMember(role, { host: 'node-1.example.org', port: 1, weight: 7, ejected: true })
    assert.deepEqual(parseIdentities(JSON.stringify([identityEntryFor(identity)])), [identity])
  }
})

test('Flow’s own file is accepted: more fields, no Weight or Ejected, upper case hex', () => {
  const { identity } = makeMember('execution')
  const entry = identityEntryFor(identity)
  const flow = {
    Role: 'execution',
    Address: entry.Address,
    NodeID: entry.NodeID.toUpperCase(),
    NetworkPubKey: entry.NetworkPubKey.toUpperCase(),
    StakingPubKey: 'aa'.repeat(96),
    StakingPoP: 'bb'
  }
  const [parsed] = parseIdentities(`\uFEFF${JSON.stringify([flow])}`)
  assert.deepEqual(parsed, { ...identity, weight: 100, ejected: false })
})

test('a wrong entry is named by its index, field and reason', () => {
  const key = String(entryOf().NetworkPubKey)
  const rows: [string, unknown, string, RegExp][] = [
    ['no object', 7, '(entry)', /not a JSON object/],
    ['an array', [], '(entry)', /not a JSON object/],
    ['no role', entryOf({ Role: undefined }), 'Role', /missing/],
    ['a number as role', entryOf({ Role: 3 }), 'Role', /not a string/],
    ['an unknown role', entryOf({ Role: 'miner' }), 'Role', /miner/],
    ['no port', entryOf({ Address: 'host' }), 'Address', /host:port/],
    ['port 0', entryOf({ Address: 'host:0' }), 'Address', /host:port/],
    ['port 65536', entryOf({ Address: 'host:65536' }), 'Address', /host:port/],
    ['half an IPv4 address', entryOf({ Address: '10.0.0:1' }), 'Address', /host:port/],
    ['a bare IPv6 address', entryOf({ Address: '::1:80' }), 'Address', /host:port/],
    ['a name with a slash', entryOf({ Address: 'a/b:1' }), 'Address', /host:port/],
    ['a short node id', entryOf({ NodeID: 'ab' }), 'NodeID', /64 hex/],
    ['bad hex in the key', entryOf({ NetworkPubKey: `zz${key.slice(2)}` }), 'NetworkPubKey', /128 hex/],
    ['a key with its 04', entryOf({ NetworkPubKey: `04${key}` }), 'NetworkPubKey', /leave out the leading 04/],
    ['a key off the curve', entryOf({ NetworkPubKey: '11'.repeat(64) }), 'NetworkPubKey', /not on the curve/],
    ['the point of zeros', entryOf({ NetworkPubKey: '00'.repeat(64) }), 'NetworkPubKey', /not on the curve/],
    ['a negative weight', entryOf({ Weight: -1 }), 'Weight', /0 or more/],
    ['a weight as text', entryOf({ Weight: '1' }), 'Weight', /0 or more/],
    ['ejected as text', entryOf({ Ejected: 'no' }), 'Ejected', /true nor false/]
  ]
  for (const [name, entry, field, why] of rows) {
    const error = refusal([entryOf(), entry])
    assert.equal(error.code, 'identity-entry-invalid', name)
    assert.deepEqual(error.details, { index: 1, field }, name)
    assert.match(error.message, why, name)
    assert.match(error.message, /entry 1/, name)
  }
})

test('duplicate node ids and keys are refused', () => {
  const first = entryOf()
  const sameId = refusal([first, entryOf(), entryOf({ NodeID: first.NodeID })])
  assert.deepEqual(sameId.details, { index: 2, field: 'NodeID' })
  assert.match(sameId.message, /entry 0/)
  const sameKey = refusal([entryOf(), first, entryOf({ NetworkPubKey: first.NetworkPubKey })])
  assert.deepEqual(sameKey.details, { index: 2, field: 'NetworkPubKey' })
})

test('what is no table is refused before any entry is read', () => {
  const tooMany = Array.from({ length: 10_001 }, () => 0)
  const hundredThousand = JSON.stringify(Array.from({ length: 100_000 }, () => ({ NodeID: '' })))
  for (const text of ['', '{', '{}', 'null', JSON.stringify(tooMany), hundredThousand, ' '.repeat(8_388_609)]) {
    assert.equal(refusal(text).code, 'identity-table-invalid')
  }
})

test('a JSON array in batches is what JSON.parse reads, and refused where that refuses', () => {
  const batched = (text: string): unknown => [...arrayBatches(text)].flat()
  const value = fc.jsonValue({ maxDepth: 3 })
  // Blanks bring the batches' ends to every place.
  const blanks = fc.constantFrom('', ' ', '\t'.repeat(6_000), '\n'.repeat(11_000))
  const entries = fc.array(fc.tuple(value, blanks), { maxLength: 8 })
  fc.assert(
    fc.property(entries, blanks, (list, end) => {
      const text = `${end}[${end}${list.map(([one, blank]) => blank + JSON.stringify(one)).join(',')}${end}]${end}`
      assert.deepEqual(batched(text), JSON.parse(text))
    })
  )
  const wide = ' '.repeat(40_000)
  assert.throws(() => batched('{}'), SyntaxError)
  for (const text of [
    '',
    '[',
    '[1',
    '[1,]',
    '[,1]',
    `[${wide},1]`,
    `[1${wide},]`,
    `[1${wide},,1]`,
    '[1]]',
    '[1]x',
    '[1}',
    '[{]}',
    '["a]',
    '["\\"]',
    '[1 2]'
  ]) {
    assert.throws(() => JSON.parse(text), SyntaxError, text)
    assert.throws(() => batched(text), SyntaxError, text)
  }
})

test('an entry has a bound, however its values are nested', () => {
  for (const part of ['{},', '0,', '"a",', '[[']) {
    const [first] = arrayBatches(`[1${' '.repeat(32_768)},{"a":[${part.repeat(40_000)}`)
    assert.deepEqual(first, [1])
    const error = refusal(`[{"a":[${part.repeat(40_000)}`)
    assert.equal(error.code, 'identity-table-invalid', part)
    assert.match(error.message, /more than 32768 characters/, part)
  }
})

test('the event loop turns while a long table is read, after some entries each time', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'identities-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'identities.json')
  const entries = Array.from({ length: 320 }, () => ({ ...entryOf(), StakingPubKey: 'aa'.repeat(96) }))
  await writeFile(path, JSON.stringify(entries))
  let turns = 0
  let reading = true
  const count = (): void => {
    turns += 1
    if (reading) setImmediate(count)
  }
  setImmediate(count)
  const read = await readIdentities(path)
  reading = false
  assert.equal(read.length, entries.length)
  assert.ok(turns >= entries.length / 32, `${turns} turns`)
})

test('addresses', () => {
  const rows: [string, string | undefined][] = [
    ['10.0.0.1:3569', '/ip4/10.0.0.1/tcp/3569'],
    ['[::1]:65535', '/ip6/::1/tcp/65535'],
    ['access-001.mainnet20.nodes.onflow.org:3569', '/dns4/access-001.mainnet20.nodes.onflow.org/tcp/3569'],
    ['access_1:1', '/dns4/access_1/tcp/1'],
    ['1.2.3:80', undefined],
    ['256.1.1.1:80', undefined],
    ['[10.0.0.1]:80', undefined],
    [':80', undefined],
    ['a..b:80', undefined],
    ['a b:80', undefined],
    [`${'a'.repeat(64)}:80`, undefined]
  ]
  for (const [text, expected] of rows) {
    const address = parseHostPort(text)
    assert.equal(address && toMultiaddrText(address), expected, text)
  }
  assert.equal(parseHostPort('host:0', { allowPortZero: true })?.port, 0)
  assert.equal(canonicalIp('::ffff:10.0.0.1'), '10.0.0.1')
  assert.equal(canonicalIp('2001:DB8:0:0::1'), '2001:db8::1')
  assert.equal(canonicalIp('10.1.2.3'), '10.1.2.3')
})

test('the table answers who is admitted, may request and may announce', () => {
  const access = makeMember('access').identity
  const execution = makeMember('execution').identity
  const observer = makeMember('observer').identity
  const ejected = makeMember('execution', { ejected: true }).identity
  const table = new IdentityTable([access, execution, observer, ejected])
  const stranger = makeMember().identity.peerId
  const answers = [access, execution, observer, ejected].map(({ peerId }) => [
    table.isAdmitted(peerId),
    table.mayRequest(peerId),
    table.mayAnnounce(peerId)
  ])
  assert.deepEqual(answers, [
    [true, true, false],
    [true, true, true],
    [true, false, false],
    [false, false, false]
  ])
  assert.deepEqual(
    [table.isAdmitted(stranger), table.mayRequest(stranger), table.publicKeyOf(stranger)],
    [false, false, undefined]
  )
  assert.deepEqual(table.executionPeers, [execution])
  assert.deepEqual(table.accessPeers, [access])
  assert.equal(table.byNodeId(observer.nodeId), observer)
  assert.equal(String(table.publicKeyOf(execution.peerId)), execution.peerId)
})

test('replacing the table tells who came and who went', () => {
  const [stays, goes, comes] = [makeMember().identity, makeMember().identity, makeMember().identity]
  const ejectedLater = makeMember().identity
  const table = new IdentityTable([stays, goes, ejectedLater])
  const changes: string[][] = []
  const stop = table.onChange(({ admitted, removed }) => {
    assert.ok(table.isAdmitted(comes.peerId), 'the listener sees the new table')
    changes.push(
      admitted.map(({ peerId }) => peerId),
      removed.map(({ peerId }) => peerId)
    )
  })
  table.replace([stays, comes, { ...ejectedLater, ejected: true }])
  assert.deepEqual(changes, [[comes.peerId], [goes.peerId, ejectedLater.peerId]])
  stop()
  table.replace([comes])
  assert.equal(changes.length, 2)
})

test('another address or role is a move, anything else is not', () => {
  const [address, port, role, weight] = [makeMember(), makeMember(), makeMember(), makeMember()].map(
    (one) => one.identity
  )
  assert.ok(address && port && role && weight)
  const table = new IdentityTable([address, port, role, weight])
  let moved: string[] = []
  table.onChange((change) => {
    assert.deepEqual([change.admitted, change.removed], [[], []])
    moved = change.moved.map(({ peerId }) => peerId)
  })
  table.replace([
    { ...address, host: '10.9.9.9' },
    { ...port, port: 9 },
    { ...role, role: 'execution' },
    { ...weight, weight: 9 }
  ])
  assert.deepEqual(moved, [address.peerId, port.peerId, role.peerId])
})
