import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from './tool.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

/** Uses what a bundle can break: replaced packages, a CommonJS package, a native one, and a host that has a P-256 identity. */
const ENTRY = `
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { tcp } from '@libp2p/tcp'
import { Level } from 'level'
import { createLibp2p } from 'libp2p'
import { pino } from 'pino'

const der = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'der' })
const privateKey = privateKeyFromProtobuf(new Uint8Array([8, 3, 18, der.length, ...der]))
const host = await createLibp2p({ privateKey, start: false, transports: [tcp()] })
const { peerId } = host
pino({ base: null, timestamp: false }).info({ database: typeof Level, peerId: peerId.toString().slice(0, 2) }, 'bundled')
`

test('a bundle runs from where it lies, with P-256 identities and without types', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'build-'))
  try {
    symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
    writeFileSync(join(folder, 'entry.ts'), ENTRY)
    const script = join(REPOSITORY, 'build', 'build.mjs')
    const outdir = join(folder, 'dist')
    const built = await run(process.execPath, [script, '--outdir', outdir, join(folder, 'entry.ts')], { cwd: folder })
    assert.equal(built.code, 0, built.stderr)
    const ran = await run(process.execPath, ['--no-strip-types', join(outdir, 'entry.js')], { cwd: folder, env: {} })
    assert.equal(ran.stdout, '{"level":30,"database":"function","peerId":"Qm","msg":"bundled"}\n', ran.stderr)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
