// `npm run build`: the command line as plain JavaScript in `dist/`, which is what `npm pack` ships.
// `node build/build.mjs [--outdir DIR] [ENTRY.ts …]` bundles other entries, or to another place.
//
// Plain JavaScript, because Node strips no types below node_modules, where an installed package lies, and because it starts in
// half the memory of the sources. Packages with a native part stay outside and are resolved where the bundle is installed.
import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { LEAN_PLUGINS } from './lean/plugins.mjs'
import { root, underProjectNode } from './project-node.mjs'

/** Loaded at run time: what has a native part, and the DHT, which is there only for those who install it. */
const EXTERNAL = ['classic-level', 'level', '@libp2p/kad-dht']

/**
 * Gives the bundle libp2p's P-256 identities, as `register.ts` does where the sources run: the packages are resolved to the
 * replacements, except from within a replacement, which builds on the original.
 */
function identityKeys(redirects) {
  const files = new Map(Object.entries(redirects).map(([name, url]) => [name, fileURLToPath(url)]))
  const replacements = new Set(files.values())
  const names = [...files.keys()].map((name) => name.replace(/[/.]/g, '\\$&')).join('|')
  return {
    name: 'identity-keys',
    setup(build) {
      build.onResolve({ filter: new RegExp(`^(${names})$`) }, ({ path, importer }) =>
        replacements.has(importer) ? undefined : { path: files.get(path) }
      )
    }
  }
}

/** What runs as a process of its own, by the name that it has in `dist/`. */
const ENTRIES = { main: 'cmd/main.ts', 'relay-process': 'src/lab/localnet/relay-process.ts' }

/** Bundles the entries into `outdir`; gives the files written and their sizes. */
async function bundle(entryPoints, outdir) {
  const { build } = await import('esbuild')
  const { IDENTITY_KEY_REDIRECTS } = await import('../src/p2p/identity-keys/redirects.ts')
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints,
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    external: EXTERNAL,
    plugins: [identityKeys(IDENTITY_KEY_REDIRECTS), ...LEAN_PLUGINS],
    // Packages in CommonJS call `require`, which a module has to make for itself.
    banner: {
      js: "import { createRequire as $createRequire } from 'node:module'\nconst require = $createRequire(import.meta.url)"
    },
    legalComments: 'linked',
    // The text stays in memory for as long as the process lives, twice as large where one comment has a letter outside Latin-1:
    // 4 MiB of resident memory. Names stay, so that a stack trace can be read.
    minifyWhitespace: true,
    minifySyntax: true,
    metafile: true,
    logLevel: 'warning'
  })
  return Object.entries(metafile.outputs).map(([path, { bytes }]) => ({ path, bytes }))
}

/** `sealsync version` tells it where there is no repository to ask. */
function writeRevision(outdir) {
  try {
    const revision = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore']
    })
    writeFileSync(join(outdir, 'revision'), revision)
  } catch {
    process.stderr.write('no git repository: the bundle will not know its revision\n')
  }
}

await underProjectNode(async () => {
  const { values, positionals } = parseArgs({ options: { outdir: { type: 'string' } }, allowPositionals: true })
  const outdir = resolve(values.outdir ?? join(root, 'dist'))
  const named = Object.fromEntries(positionals.map((path) => [basename(path, '.ts'), resolve(path)]))
  rmSync(outdir, { recursive: true, force: true })
  // esbuild has said what is wrong.
  const outputs = await bundle(positionals.length > 0 ? named : ENTRIES, outdir).catch(() => undefined)
  if (outputs === undefined) {
    process.exitCode = 1
    return
  }
  writeRevision(outdir)
  const bytes = outputs.reduce((sum, output) => sum + output.bytes, 0)
  process.stdout.write(`${outdir}: ${outputs.length} files, ${(bytes / 1024).toFixed(0)} KiB\n`)
})
