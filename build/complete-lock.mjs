// Completes package-lock.json after `npm install`.
//
// Packages with a native binary list one optional dependency per platform. A registry mirror that
// carries only some platforms makes npm leave the others out of the lock file, and `npm ci` then
// refuses the whole lock. This adds the missing entries (exact version, os and cpu; no download is
// needed, npm skips them on other platforms), so that the lock works wherever it is used.
import { readFileSync, writeFileSync } from 'node:fs'

const OS = new Set([
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'aix',
  'win32',
  'wasi'
])
const CPU = new Set(['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64', 'wasm32'])

const path = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(path, 'utf8'))

const platformOf = (name) => {
  const words = name.split(/[/-]/)
  return {
    os: words.find((word) => OS.has(word)),
    cpu: words.find((word) => CPU.has(word)) ?? (words.some((word) => word.startsWith('arm')) ? 'arm' : undefined)
  }
}

const resolvable = (from, name) => {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (lock.packages[`${at === '' ? '' : `${at}/`}node_modules/${name}`] !== undefined) return true
    if (at === '') return false
    if (!at.includes('/node_modules/')) at = ''
    if (at === '') return lock.packages[`node_modules/${name}`] !== undefined
  }
}

let added = 0
for (const [at, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (resolvable(at, name)) continue
    if (!/^\d/.test(version)) throw new Error(`${name}@${version} in ${at}: not an exact version, add it by hand`)
    const { os, cpu } = platformOf(name)
    lock.packages[`node_modules/${name}`] = {
      version,
      ...(cpu === undefined ? {} : { cpu: [cpu] }),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
      ...(os === undefined ? {} : { os: [os] })
    }
    added += 1
  }
}
for (const entry of Object.values(lock.packages)) delete entry.resolved
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
process.stdout.write(`package-lock.json: ${added} platform entries added\n`)
