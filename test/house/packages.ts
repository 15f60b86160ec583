// package.json and package-lock.json: exact, in step with one another, and free to be passed on.

export interface Manifest {
  readonly name?: string
  readonly version?: string
  readonly license?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly engines?: Readonly<Record<string, string>>
  readonly bin?: unknown
}

interface LockEntry extends Manifest {
  readonly dev?: boolean
  readonly optional?: boolean
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

export interface Lock {
  readonly packages: Readonly<Record<string, LockEntry>>
}

const LICENCE = 'Apache-2.0 OR MIT'
const LICENCE_FILES = ['LICENSE-APACHE', 'LICENSE-MIT']
/** What may be shipped with this licence, as npm writes it. */
const PERMISSIVE = new Set([
  'MIT',
  'ISC',
  'Apache-2.0',
  'Apache-2.0 OR MIT',
  'MIT OR Apache-2.0',
  'Apache-2.0 AND MIT',
  '(Apache-2.0 AND BSD-3-Clause)',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'Unlicense',
  'CC0-1.0'
])
const KINDS = ['dependencies', 'devDependencies', 'optionalDependencies'] as const

/** Exact versions and a licence, with its texts among the repository's files. */
export function manifestProblems(manifest: Manifest, files: readonly string[]): string[] {
  const loose = KINDS.flatMap((kind) => Object.entries(manifest[kind] ?? {})).filter(
    ([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version)
  )
  return [
    ...loose.map(([name, version]) => `package.json: ${name}@${version} is not an exact version`),
    ...(manifest.license === LICENCE ? [] : [`package.json: the licence is ${LICENCE}`]),
    ...LICENCE_FILES.filter((name) => !files.includes(name)).map((name) => `${name}: the licence's text is missing`)
  ]
}

/** The lock says what package.json says, names every package that one of its packages needs, and all of it may be shipped. */
export function lockProblems(lock: Lock, manifest: Manifest): string[] {
  const top = lock.packages[''] ?? {}
  const differing = [...KINDS, 'name', 'version', 'license', 'engines', 'bin'].filter(
    (field) => canonical(top[field as keyof Manifest]) !== canonical(manifest[field as keyof Manifest])
  )
  const stale = KINDS.flatMap((kind) => Object.entries(manifest[kind] ?? {})).filter(
    ([name, version]) => lock.packages[`node_modules/${name}`]?.version !== version
  )
  const shipped = Object.entries(lock.packages).filter(([at, { dev }]) => at !== '' && dev !== true)
  return [
    ...differing.map((field) => `package-lock.json: ${field} differs from package.json, run npm install`),
    ...stale.map(([name, version]) => `package-lock.json: has no ${name}@${version}, run npm install`),
    ...Object.entries(lock.packages).flatMap(([at, entry]) => missing(lock, at, entry)),
    ...shipped
      .filter(([, { license }]) => license === undefined || !PERMISSIVE.has(license))
      .map(([at, { license }]) => `package-lock.json: ${at} has the licence ${license ?? '(none)'}`)
  ]
}

function missing(lock: Lock, at: string, entry: LockEntry): string[] {
  const required = Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })
  const peers = Object.keys(entry.peerDependencies ?? {}).filter(
    (name) => entry.peerDependenciesMeta?.[name]?.optional !== true
  )
  return [...required, ...(entry.optional === true ? [] : peers)]
    .filter((name) => !resolvable(lock, at, name))
    .map(
      (name) =>
        `package-lock.json: ${at === '' ? 'the project' : at} needs ${name}, which is not there; run \`node build/complete-lock.mjs\``
    )
}

/** Looks where Node would: in the package's own node_modules, then in those of the folders above it. */
function resolvable(lock: Lock, at: string, name: string): boolean {
  const places = at.split('/node_modules/')
  return (
    places.some((_, index) => {
      const above = places.slice(0, places.length - index).join('/node_modules/')
      return lock.packages[`${above === '' ? '' : `${above}/`}node_modules/${name}`] !== undefined
    }) || lock.packages[`node_modules/${name}`] !== undefined
  )
}

function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? ''
  return JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
