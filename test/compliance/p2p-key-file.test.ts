import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  generateNetworkKey,
  identityEntryFor,
  importNetworkKey,
  MAX_IDENTITY_FILE_BYTES,
  networkKeyFromScalar,
  P2pError,
  peerIdOf,
  readIdentities,
  readNetworkKey,
  writeNetworkKey
} from '#src/p2p/index.ts'
import { parseNodeId } from '#src/model/index.ts'
import { toHex } from '#src/util/index.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'p2p-key-'))
})
after(() => rm(folder, { recursive: true }))

const codeOf = async (run: Promise<unknown>): Promise<string> => {
  const error = await run.then(
    () => assert.fail('no error'),
    (reason: unknown) => reason
  )
  assert.ok(error instanceof P2pError, String(error))
  return error.code
}

test('a key is written for its owner alone and read back', async () => {
  const path = join(folder, 'a', 'keys', 'network.key')
  const key = generateNetworkKey()
  await writeNetworkKey(path, key)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.equal((await stat(join(folder, 'a', 'keys'))).mode & 0o777, 0o700)
  assert.equal(await readFile(path, 'utf8'), `${toHex(key.scalar)}\n`)
  assert.ok((await readNetworkKey(path)).equals(key))
  assert.equal(await codeOf(writeNetworkKey(path, generateNetworkKey())), 'key-file-exists')
  assert.ok((await readNetworkKey(path)).equals(key), 'and is not overwritten')
})

test('a key that others may read is refused, by every bit and through a link', async () => {
  const path = join(folder, 'mode.key')
  await writeNetworkKey(path, generateNetworkKey())
  await symlink(path, join(folder, 'link.key'))
  for (const mode of [0o644, 0o640, 0o604, 0o660, 0o620, 0o610, 0o601, 0o777]) {
    await chmod(path, mode)
    assert.equal(await codeOf(readNetworkKey(path)), 'key-file-permissions', mode.toString(8))
    assert.equal(await codeOf(readNetworkKey(join(folder, 'link.key'))), 'key-file-permissions')
  }
  for (const mode of [0o600, 0o400]) {
    await chmod(path, mode)
    await readNetworkKey(path)
  }
})

test('files that hold no key', async () => {
  const rows: [string, string][] = [
    ['empty', ''],
    ['short', 'ab'.repeat(31)],
    ['long', 'ab'.repeat(33)],
    ['no hex', 'zz'.repeat(32)],
    ['zero', '00'.repeat(32)],
    ['beyond the order', 'ff'.repeat(32)],
    ['huge', ' '.repeat(1_000_000)]
  ]
  for (const [name, text] of rows) {
    const path = join(folder, `bad-${name}.key`)
    await writeFile(path, text, { mode: 0o600 })
    assert.equal(await codeOf(readNetworkKey(path)), 'key-file-invalid', name)
    const error = await readNetworkKey(path).catch((reason: Error) => reason)
    assert.ok(!String(error).includes(text.slice(0, 20)) || text === '', 'the text is not repeated')
  }
  assert.equal(await codeOf(readNetworkKey(folder)), 'key-file-invalid')
  assert.equal(await codeOf(readNetworkKey(join(folder, 'absent'))), 'key-file-missing')
})

test('a key that is imported may have any mode, and 0x in front', async () => {
  const path = join(folder, 'import.key')
  await writeFile(path, `0x${'00'.repeat(31)}01\n`, { mode: 0o644 })
  assert.equal(peerIdOf(await importNetworkKey(path)), 'QmQBDSWypmTn4fBckNJfHS2jFvJ4ysijezQeeimXf6vHp9')
})

test('identity tables are read from files, and only so much of them', async () => {
  const path = join(folder, 'identities.json')
  const key = networkKeyFromScalar(generateNetworkKey().scalar)
  const nodeId = parseNodeId('ab'.repeat(32))
  assert.ok(nodeId)
  const networkPublicKey = key.publicKey.point
  const entry = {
    nodeId,
    role: 'access',
    host: 'localhost',
    port: 1,
    networkPublicKey,
    weight: 1,
    ejected: false
  } as const
  await writeFile(path, JSON.stringify([identityEntryFor(entry)]))
  assert.deepEqual(await readIdentities(path), [{ ...entry, peerId: peerIdOf(key) }])
  await writeFile(path, ' '.repeat(MAX_IDENTITY_FILE_BYTES + 1))
  assert.equal(await codeOf(readIdentities(path)), 'identity-table-invalid')
  assert.equal(await codeOf(readIdentities('/dev/zero')), 'identity-table-invalid')
  assert.equal(await codeOf(readIdentities(join(folder, 'absent.json'))), 'identity-table-invalid')
})
