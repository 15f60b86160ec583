import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import type { PrometheusReport } from '#src/lab/index.ts'
import { hasProgram } from '#test/support/dashboards/promtool.ts'
import { command } from '#test/support/node/command.ts'
import { freePort } from '#test/support/node/cli.ts'

const installed = (await hasProgram('prometheus')) && (await hasProgram('promtool'))
const skip = installed ? false : 'prometheus is not installed (Debian: apt-get install prometheus)'

/** A server that is not quite a Prometheus. */
async function withServer<T>(
  answer: (query: string, response: ServerResponse) => void,
  use: (url: string) => Promise<T>
): Promise<T> {
  const server = createServer((request, response) => {
    answer(new URL(request.url ?? '/', 'http://x').searchParams.get('query') ?? '', response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

const success = (result: readonly unknown[]): string =>
  JSON.stringify({ status: 'success', data: { resultType: 'matrix', result } })

const compare = (url: string, ...flags: readonly string[]) => command(['compare', 'prometheus', '--url', url, ...flags])

describe('compare prometheus, when the server', () => {
  it('is down: one line with its address', async () => {
    const port = await freePort()
    const { code, stderr, stdout } = await compare(`http://127.0.0.1:${port}`, '--json')
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^sealsync: Prometheus at http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*check --url[^\n]*\n$/)
  })

  it('is slow: it is waited for no longer than was said', async () => {
    const { code, stderr } = await withServer(
      () => {},
      (url) => compare(url, '--timeout', '300ms')
    )
    assert.equal(code, 1)
    assert.match(stderr, /no answer within 0\.3 s/)
  })

  it('begins an answer and does not end it', async () => {
    const { code, stderr } = await withServer(
      (_, response) => response.write('{"status":'),
      (url) => compare(url, '--timeout', '300ms')
    )
    assert.equal(code, 1)
    assert.match(stderr, /no answer within 0\.3 s/)
  })

  it('is empty: says of both arms that there are none', async () => {
    const { code, stdout } = await withServer(
      (_, response) => response.end(success([])),
      (url) => compare(url, '--json')
    )
    const report = JSON.parse(stdout) as PrometheusReport
    assert.equal(code, 1)
    assert.deepEqual([report.ok, report.reasons.length, report.effects], [false, 2, []])
    assert.match(report.verdict, /^Nothing can be said/)
  })

  it('has one arm only: says which one is missing', async () => {
    const { code, stdout } = await withServer(
      (query, response) => {
        const now = Math.floor(Date.now() / 1000)
        response.end(success(query.includes('variant="dht"') ? [] : [{ metric: {}, values: [[now - 60, '3']] }]))
      },
      (url) => compare(url)
    )
    assert.equal(code, 1)
    assert.match(stdout, /^FAILED: .*\n.*\n {2}- no node of --b 'variant="dht"'/)
  })

  const rows: readonly (readonly [what: string, answer: (response: ServerResponse) => void, fault: RegExp])[] = [
    [
      'refuses a query: its words are passed on',
      (response) => response.writeHead(400).end('{"status":"error","error":"parse error: no such thing"}'),
      /parse error: no such thing/
    ],
    ['is a web page', (response) => response.end('<!doctype html>'), /not JSON: is it a Prometheus\?/],
    ['answers without an end', (response) => endless(response), /answers more than 1048576 bytes/],
    ['answers null', (response) => response.end('null'), /not JSON/],
    [
      'answers with series where one was asked for',
      (response) => response.end(success([{ values: [] }, { values: [] }])),
      /2 series for/
    ]
  ]
  for (const [what, answer, fault] of rows) {
    it(what, async () => {
      const { code, stderr } = await withServer((_, response) => answer(response), compare)
      assert.equal(code, 1)
      assert.match(stderr, fault)
    })
  }

  it('is not named: usage', async () => {
    const { code, stderr } = await command(['compare', 'prometheus'])
    assert.equal(code, 2)
    assert.match(stderr, /--url/)
  })
})

function endless(response: ServerResponse): void {
  const part = ' '.repeat(65_536)
  const more = (): void => {
    while (!response.destroyed && response.write(part));
  }
  response.on('drain', more)
  more()
}

describe('compare prometheus, on a real one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'compare-prometheus-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  it('finds what was put in', { skip }, async () => {
    // An hour that is over: nothing depends on when the test runs, and a server keeps 15 days.
    const end = (Math.floor(Date.now() / 3_600_000) - 1) * 3_600
    writeFileSync(join(folder, 'history.om'), history(end))
    const data = join(folder, 'data')
    await promisify(execFile)('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', 'history.om', data], {
      cwd: folder
    })
    const port = await freePort()
    writeFileSync(join(folder, 'prometheus.yaml'), 'global: {}\n')
    const listen = [`--web.listen-address=127.0.0.1:${port}`, '--log.level=error']
    const child = spawn('prometheus', [`--config.file=prometheus.yaml`, `--storage.tsdb.path=${data}`, ...listen], {
      cwd: folder,
      stdio: 'ignore'
    })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    try {
      const url = `http://127.0.0.1:${port}`
      await answers(`${url}/-/ready`)
      const times = ['--from', String(end - 1_200), '--to', String(end), '--slices', '4']
      const { code, stdout, stderr } = await compare(url, ...times, '--json')
      assert.equal(code, 0, stderr)
      checkReport(JSON.parse(stdout) as PrometheusReport)
      const other = await compare(url, '--a', 'variant="no-dht"', '--b', 'variant="none-such"', ...times)
      assert.equal(other.code, 1)
      assert.match(other.stdout, /no node of --b 'variant="none-such"'/)
    } finally {
      child.kill('SIGTERM')
      await ended
    }
  })
})

function checkReport(report: PrometheusReport): void {
  const of = (metric: string) => report.effects.find((effect) => effect.metric === metric)
  assert.deepEqual([report.ok, report.reasons, report.rounds], [true, [], 4])
  // Two nodes without a DHT and one with it; the execution node counts for neither.
  assert.deepEqual([report.arms.a.runs[0]?.nodes, report.arms.b.runs[0]?.nodes], [2, 1])
  const memory = of('rssBytes.peak')
  assert.deepEqual([memory?.a.median, memory?.b.median, memory?.ratio, memory?.better], [100e6, 150e6, 1.5, 'a'])
  assert.ok(Math.abs((of('cpuSecondsPerGiB')?.ratio ?? 0) - 2) < 1e-6)
  assert.ok(Math.abs((of('duplicateRatio')?.b.median ?? 0) - 0.4) < 1e-6)
  assert.equal(of('duplicateRatio')?.a.median, 0)
  assert.deepEqual([of('dht.messagesPerSecond')?.a.median, of('streamsOpenedPerSecond.dht.inbound')?.a.median], [0, 0])
  assert.ok(Math.abs((of('dht.messagesPerSecond')?.b.median ?? 0) - 7) < 1e-6)
  const p50 = of('announceToStoredMs.p50')
  assert.ok((p50?.a.median ?? 0) < (p50?.b.median ?? 0))
  assert.equal(of('dht.providerRecords')?.b.median, 2_513)
}

interface Shape {
  readonly instance: string
  readonly role: string
  readonly variant: string
  readonly rss: number
  readonly cpu: number
  readonly duplicate: number
  /** Blobs within 0.1 s, of each ten. */
  readonly quick: number
}

/** Half an hour of three access nodes and an execution node, a sample each 15 s, as OpenMetrics. */
function history(end: number): string {
  const shapes: readonly Shape[] = [
    { instance: 'a1', role: 'access', variant: 'no-dht', rss: 100e6, cpu: 0.1, duplicate: 0, quick: 10 },
    { instance: 'a2', role: 'access', variant: 'no-dht', rss: 100e6, cpu: 0.1, duplicate: 0, quick: 10 },
    { instance: 'b1', role: 'access', variant: 'dht', rss: 150e6, cpu: 0.2, duplicate: 40, quick: 2 },
    { instance: 'e1', role: 'execution', variant: 'dht', rss: 900e6, cpu: 0.9, duplicate: 0, quick: 10 }
  ]
  const families = new Map<string, string[]>()
  for (const shape of shapes) {
    const { instance, role, variant, rss, cpu, duplicate, quick } = shape
    const own = `job="s",instance="${instance}"`
    for (let time = end - 1_800; time <= end; time += 15) {
      const seconds = time - end + 1_800
      const add = (family: string, sample: string): void => {
        const lines = families.get(family) ?? []
        families.set(family, lines)
        lines.push(`${sample} ${time}`)
      }
      add('sealsync_build_info', `sealsync_build_info{${own},role="${role}",variant="${variant}"} 1`)
      add('process_resident_memory_bytes', `process_resident_memory_bytes{${own}} ${rss}`)
      add('process_cpu_seconds_total', `process_cpu_seconds_total{${own}} ${cpu * seconds}`)
      add('sealsync_exchange_useful_bytes_total', `sealsync_exchange_useful_bytes_total{${own}} ${100 * seconds}`)
      add('network_bitswap_dup_data_received', `network_bitswap_dup_data_received{${own}} ${duplicate * seconds}`)
      add('sealsync_exchange_partial_bytes_total', `sealsync_exchange_partial_bytes_total{${own}} 0`)
      add('network_bitswap_blobs_received', `network_bitswap_blobs_received{${own}} ${seconds}`)
      add('network_bitswap_dup_blobs_received', `network_bitswap_dup_blobs_received{${own}} 0`)
      const bucket = (le: string, of: number): void =>
        add(
          'sealsync_requester_announce_to_stored_seconds_bucket',
          `sealsync_requester_announce_to_stored_seconds_bucket{${own},le="${le}"} ${of * seconds}`
        )
      bucket('0.1', quick)
      bucket('0.5', 10)
      bucket('+Inf', 10)
      if (variant !== 'dht') continue
      add(
        'sealsync_p2p_dht_messages_total',
        `sealsync_p2p_dht_messages_total{${own},direction="inbound"} ${7 * seconds}`
      )
      add('sealsync_p2p_dht_provider_records', `sealsync_p2p_dht_provider_records{${own}} 2513`)
    }
  }
  return `${[...families].map(([family, lines]) => [`# TYPE ${family} unknown`, ...lines].join('\n')).join('\n')}\n# EOF\n`
}

async function answers(url: string): Promise<void> {
  for (let tries = 0; tries < 150; tries += 1) {
    const ready = await fetch(url).then(
      ({ ok }) => ok,
      () => false
    )
    if (ready) return
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new Error(`${url} does not answer`)
}
