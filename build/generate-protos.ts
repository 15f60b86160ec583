// `node build/generate-protos.ts`: TypeScript of the .proto files. The compiler has some hundred megabytes and is needed once in a
// while, so it is no dependency: it is fetched into a folder of its own. `proto/generated.sha256` binds both sides together.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const TOOLS = ['@bufbuild/buf@1.75.0', '@bufbuild/protoc-gen-es@2.17.0', '@bufbuild/protobuf@2.17.0']
const OUT = 'src/feed/flow-access/generated'
const DIGESTS = 'proto/generated.sha256'

function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
}

/** Every file that takes part, with its digest, in order of names. */
export function protoDigests(): string {
  const files = ['proto/flow', OUT].flatMap(filesIn)
  const digest = (file: string): string =>
    createHash('sha256')
      .update(readFileSync(join(root, file)))
      .digest('hex')
  return `${files
    .sort()
    .map((file) => `${digest(file)}  ${file}`)
    .join('\n')}\n`
}

function generate(): void {
  const home = mkdtempSync(join(tmpdir(), 'sealsync-protos-'))
  try {
    const run = (file: string, args: string[]): void => void execFileSync(file, args, { cwd: home, stdio: 'inherit' })
    writeFileSync(join(home, 'package.json'), '{"private": true}\n')
    run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...TOOLS])
    const bin = join(home, 'node_modules', '.bin')
    const plugin = { local: join(bin, 'protoc-gen-es'), out: join(root, OUT) }
    const opt = ['target=ts', 'import_extension=ts', 'erasable_syntax=true']
    rmSync(join(root, OUT), { recursive: true, force: true })
    const template = JSON.stringify({ version: 'v2', plugins: [{ ...plugin, opt }] })
    run(join(bin, 'buf'), ['generate', join(root, 'proto'), '--template', template])
    for (const file of filesIn(OUT)) {
      const text = readFileSync(join(root, file), 'utf8')
      writeFileSync(join(root, file), text.replace(/^\/\* eslint.*\*\/\n/m, ''))
    }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
  writeFileSync(join(root, DIGESTS), protoDigests())
}

if (import.meta.main) generate()
