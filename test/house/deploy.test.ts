import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { root } from '../../build/docs/source-facts.ts'
import { CONFIG_KEYS, envName } from '#src/node/index.ts'
import { hasProgram, promtool } from '#test/support/dashboards/promtool.ts'

const run = promisify(execFile)
const read = (name: string): string => readFileSync(join(root, 'deploy', name), 'utf8')
/** `SEALSYNC_DATA_DIR` and `SEALSYNC_CONFIG` are the command line's own. */
const SETTINGS = new Set([...CONFIG_KEYS.map(({ path }) => envName(path)), 'SEALSYNC_DATA_DIR', 'SEALSYNC_CONFIG'])
const settingsIn = (text: string): string[] => [...text.matchAll(/\bSEALSYNC_[A-Z0-9_]+/g)].map(([name]) => name)

describe('the Dockerfile', () => {
  const text = read('Dockerfile')
  const lines = text
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const instructions = lines.map((line) => /^([A-Z]+) (.*)$/.exec(line)?.slice(1, 3) ?? [line, ''])
  const last = instructions.slice(instructions.findLastIndex(([word]) => word === 'FROM'))
  const of = (word: string): string[] => last.filter(([name]) => name === word).map(([, rest = '']) => rest)

  it('has several stages of one pinned image, the last without what only builds', () => {
    assert.ok(instructions.filter(([word]) => word === 'FROM').length >= 3)
    const image = /^ARG NODE_IMAGE=(\S+)$/m.exec(text)?.[1] ?? ''
    const { version } = JSON.parse(readFileSync(join(root, 'node_modules/node/package.json'), 'utf8')) as {
      version: string
    }
    assert.equal(image, `node:${version}-bookworm-slim`)
    assert.doesNotMatch(last.map((line) => line.join(' ')).join('\n'), /npm (?:ci|install|run)/)
  })

  it('runs as nobody in particular, under an init, with readiness for health', () => {
    assert.deepEqual(of('USER'), ['sealsync'])
    assert.deepEqual(JSON.parse(of('ENTRYPOINT')[0] ?? ''), ['tini', '--', 'sealsync'])
    assert.deepEqual(JSON.parse(of('CMD')[0] ?? ''), ['run', '--init'])
    assert.match(of('HEALTHCHECK')[0] ?? '', /\/readyz/)
    assert.match(of('HEALTHCHECK')[0] ?? '', /--start-period=/)
    assert.deepEqual(of('VOLUME'), ['/data'])
    assert.deepEqual(of('EXPOSE'), ['3569 8080'])
  })

  it('keeps to the rules of hadolint that matter here', () => {
    const order = ['USER', 'ENTRYPOINT'].map((word) => last.findIndex(([name]) => name === word))
    assert.ok((order[0] ?? 0) < (order[1] ?? 0))
    for (const [word, rest = ''] of instructions) {
      assert.match(
        word ?? '',
        /^(?:ARG|FROM|WORKDIR|COPY|RUN|ENV|USER|VOLUME|EXPOSE|HEALTHCHECK|STOPSIGNAL|ENTRYPOINT|CMD)$/
      )
      assert.doesNotMatch(rest, /:latest\b/, 'DL3007')
      if (word === 'WORKDIR') assert.match(rest, /^\//, 'DL3000')
      if (rest.includes('apt-get install')) {
        assert.match(
          rest,
          /apt-get update .*--yes --no-install-recommends .*rm -rf \/var\/lib\/apt\/lists/,
          'DL3009, DL3015'
        )
      }
      assert.doesNotMatch(rest, /\bsudo\b|\bcd \//, 'DL3003, DL3004')
    }
  })

  it('copies what is there, and its settings exist', () => {
    for (const [, rest = ''] of instructions.filter(([word, rest]) => word === 'COPY' && !rest?.startsWith('--from'))) {
      for (const path of rest.split(' ').slice(0, -1)) assert.ok(existsSync(join(root, path)), path)
    }
    assert.deepEqual(
      settingsIn(text).filter((name) => !SETTINGS.has(name)),
      []
    )
    const ignored = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n')
    for (const needed of ['src', 'cmd', 'bin', 'build', 'docs']) assert.ok(!ignored.includes(needed), needed)
  })
})

describe('the systemd unit', async () => {
  const unit = read('sealsync.service')
  const value = (key: string): string | undefined => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1]
  const skip = await run('systemd-analyze', ['--version']).then(
    () => false,
    () => 'systemd-analyze is not on this machine'
  )

  it('runs the command with settings that exist, and leaves it time to stop', () => {
    assert.match(value('ExecStart') ?? '', /\/sealsync run --data-dir \/var\/lib\/sealsync$/)
    assert.deepEqual(
      settingsIn(unit + read('sealsync.env')).filter((name) => !SETTINGS.has(name)),
      []
    )
    const stopTimeout = CONFIG_KEYS.find(({ path }) => path === 'node.stop-timeout')
    const limit = stopTimeout !== undefined && 'default' in stopTimeout ? stopTimeout.default : Number.NaN
    assert.ok(Number(value('TimeoutStopSec')) * 1000 > Number(limit))
    const codes = readFileSync(join(root, 'docs/operations.md'), 'utf8')
    for (const code of (value('RestartPreventExitStatus') ?? '').split(' ')) {
      assert.match(codes, new RegExp(`^\\| ${code} \\|`, 'm'), `exit code ${code}`)
    }
  })

  it('is hardened', { skip }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sealsync-unit-'))
    try {
      const file = join(folder, 'sealsync.service')
      writeFileSync(file, unit)
      // Exposure 0 to 10, times ten; systemd calls 2.0 and below OK.
      const { stdout } = await run('systemd-analyze', [
        'security',
        '--offline=yes',
        '--threshold=20',
        '--no-pager',
        file
      ])
      assert.match(stdout, /Overall exposure level/)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('the compose file', async () => {
  interface Service {
    readonly image?: string
    readonly ports?: readonly string[]
    readonly volumes?: readonly string[]
    readonly environment?: Readonly<Record<string, string>>
  }
  const compose = parse(read('compose/compose.yaml'), { merge: true }) as {
    services: Record<string, Service>
    volumes: Record<string, null>
  }
  const prometheus = parse(read('compose/prometheus.yaml')) as {
    rule_files: string[]
    scrape_configs: { honor_labels: boolean; static_configs: { targets: string[] }[] }[]
  }

  it('runs both builds, with settings and values that exist', () => {
    const arms = ['no-dht', 'dht'].map((name) => compose.services[name]?.environment ?? {})
    assert.deepEqual(
      arms.map((arm) => arm['SEALSYNC_NETWORK_ROUTING']),
      ['none', 'dht']
    )
    for (const arm of arms) {
      for (const [name, setting] of Object.entries(arm)) {
        const key = CONFIG_KEYS.find(({ path }) => envName(path) === name)
        assert.ok(key, name)
        if (key.type === 'choice') assert.ok((key.choices as readonly string[]).includes(setting), `${name}=${setting}`)
      }
    }
  })

  it('mounts what is there, pins every image, and opens nothing but the p2p ports', () => {
    for (const [name, { image = '', ports = [], volumes = [] }] of Object.entries(compose.services)) {
      assert.match(image, /:[a-z0-9.]+$/, name)
      assert.doesNotMatch(image, /:latest$/, name)
      const open = ports.filter((port) => !port.startsWith('127.0.0.1:'))
      assert.ok(
        open.every((port) => port.endsWith(':3569')),
        `${name} opens ${open.join()}`
      )
      for (const volume of volumes) {
        const source = volume.split(':')[0] ?? ''
        // The operator brings the identity table.
        if (source === './config') continue
        if (source.startsWith('.')) assert.ok(existsSync(join(root, 'deploy/compose', source)), source)
        else assert.ok(source in compose.volumes, source)
      }
    }
  })

  it('has Prometheus scrape each of them, with the rules and labels that the dashboards need', async () => {
    const [scrape] = prometheus.scrape_configs
    assert.equal(scrape?.honor_labels, true)
    assert.deepEqual(
      scrape?.static_configs.flatMap(({ targets }) => targets),
      ['no-dht:8080', 'dht:8080']
    )
    for (const file of prometheus.rule_files) assert.ok(existsSync(join(root, 'dashboards', file)), file)
    if (!(await hasProgram('promtool'))) return
    const folder = mkdtempSync(join(tmpdir(), 'sealsync-prometheus-'))
    try {
      const text = read('compose/prometheus.yaml').replaceAll('rules/', `${join(root, 'dashboards/rules')}/`)
      writeFileSync(join(folder, 'prometheus.yaml'), text)
      assert.equal(await promtool(['check', 'config', join(folder, 'prometheus.yaml')]), undefined)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('has Grafana find its data and the dashboards where they are mounted', () => {
    const [source] = (
      parse(read('compose/grafana/provisioning/datasources/prometheus.yaml')) as { datasources: { url: string }[] }
    ).datasources
    assert.equal(source?.url, 'http://prometheus:9090')
    const [provider] = (
      parse(read('compose/grafana/provisioning/dashboards/sealsync.yaml')) as {
        providers: { options: { path: string } }[]
      }
    ).providers
    const mounted = (compose.services['grafana']?.volumes ?? []).map((volume) => volume.split(':'))
    assert.ok(mounted.some(([from, to]) => from === '../../dashboards' && to === provider?.options.path))
    assert.ok(existsSync(join(root, 'dashboards/comparison.json')))
  })
})
