import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { root } from '../../build/docs/source-facts.ts'
import type { CompareReport } from '#src/lab/index.ts'
import { lastJson, sealsync } from '#test/support/node/cli.ts'

const SMALL = ['--execution', '1', '--access', '1', '--blob-size', '64KiB', '--for', '5s', '--quiet', '0', '--json']

/** A comparison in a process of its own, to be disturbed. */
class RunningCompare {
  readonly #child: ChildProcess
  readonly #closed: Promise<number | null>
  #stdout = ''
  #stderr = ''

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [join(root, 'bin', 'sealsync.mjs'), 'compare', ...args], {
      stdio: ['ignore', 'pipe', 'pipe']
    })
    this.#child.stdout?.on('data', (text: Buffer) => (this.#stdout += text.toString()))
    this.#child.stderr?.on('data', (text: Buffer) => (this.#stderr += text.toString()))
    this.#closed = new Promise((resolve) => this.#child.once('close', resolve))
  }

  async said(what: RegExp): Promise<void> {
    while (!what.test(this.#stderr)) {
      if (this.#child.exitCode !== null) throw new Error(`it ended: ${this.#stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  interrupt(): void {
    this.#child.kill('SIGINT')
  }

  /** Its nodes and relays that live. */
  children(): { readonly pid: number; readonly command: string }[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => {
        try {
          const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
          const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
          if (Number(parent) !== this.#child.pid || state === 'Z') return []
          const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ')
          return [{ pid: Number(name), command }]
        } catch {
          // It ended meanwhile.
          return []
        }
      })
  }

  async ended(): Promise<{ readonly code: number | null; readonly report: CompareReport }> {
    const code = await this.#closed
    return { code, report: JSON.parse(this.#stdout.trimEnd().split('\n').at(-1) ?? '') as CompareReport }
  }
}

describe('compare', () => {
  const folder = mkdtempSync(join(tmpdir(), 'compare-'))
  after(() => rmSync(folder, { recursive: true }))

  it('runs both arms as real networks, with old blobs, and writes what it found', async () => {
    const out = join(folder, 'out')
    const size = ['--execution', '1', '--access', '1', '--blob-size', '64KiB', '--for', '4s', '--quiet', '0']
    const args = ['--a', 'sealsync', '--b', 'routing=dht,policy=classic,dht-reprovide-interval=2s', '--rounds', '1']
    const finished = await sealsync(['compare', ...args, ...size, '--history', '20', '--out', out, '--json'])
    const report = lastJson<CompareReport>(finished)
    assert.deepEqual([report.schema, report.ok, report.reasons], ['sealsync.compare/1', true, []])
    assert.deepEqual(report.order, ['a', 'b'])
    const of = (metric: string) => report.effects.find((effect) => effect.metric === metric)
    assert.equal(of('dht.messagesPerSecond')?.a.median, 0)
    assert.ok((of('dht.messagesPerSecond')?.b.median ?? 0) > 0)
    // Forty old blobs, a root and a chunk of each block, and those of the run.
    assert.ok((report.arms.b.runs[0]?.nodes[1]?.resources?.dht?.ownRecords ?? 0) > 40)
    assert.ok((of('dht.reprovidedPerSecond')?.b.median ?? 0) > 0)
    for (const metric of ['rssBytes.peak', 'cpuSecondsPerGiB', 'wireBytesPerUsefulByte', 'allocatedBytesPerSecond'])
      assert.ok((of(metric)?.a.median ?? 0) > 0, metric)
    assert.equal(report.workload.reprovide?.intervalMs, 2_000)
    assert.deepEqual(JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')), report)
    assert.match(readFileSync(join(out, 'report.html'), 'utf8'), /^<!doctype html>/)
    assert.equal(JSON.parse(readFileSync(join(out, 'runs', 'b-1.json'), 'utf8')).schema, 'sealsync.localnet/1')
  })

  it('reports what was measured when it is interrupted', async () => {
    const running = new RunningCompare(['--a', 'sealsync', '--b', 'no-dht', '--rounds', '2', ...SMALL])
    await running.said(/run 2 of 4[^]*every node is connected/)
    const nodes = running.children()
    running.interrupt()
    const { code, report } = await running.ended()
    assert.equal(code, 1)
    assert.equal(report.ok, false)
    assert.match(report.reasons.join('\n'), /interrupted: 1 of 4 runs were completed/)
    assert.deepEqual([report.arms.a.runs.length, report.arms.b.runs.length, report.effects.length], [1, 0, 0])
    assert.ok(nodes.length > 0)
    assert.deepEqual(
      nodes.map(({ pid }) => pid).filter((pid) => existsSync(`/proc/${pid}`)),
      []
    )
  })

  it('reports an arm of which a process dies half way, and counts neither it nor its partner', async () => {
    const running = new RunningCompare(['--a', 'sealsync', '--b', 'no-dht', '--rounds', '1', ...SMALL])
    await running.said(/run 2 of 2[^]*every node is connected/)
    const [victim] = running.children().filter(({ command }) => command.includes('--role access'))
    process.kill(victim?.pid ?? Number.NaN, 'SIGKILL')
    const { code, report } = await running.ended()
    assert.equal(code, 1)
    assert.equal(report.ok, false)
    assert.match(report.reasons.join('\n'), /run 2 of 2 \(no-dht\): .*access-1/)
    assert.match(report.reasons.join('\n'), /no pair of runs was completed/)
    assert.equal(report.arms.a.runs[0]?.ok, true)
    assert.deepEqual(report.effects, [])
    assert.match(report.verdict, /^Nothing can be said/)
  })

  it('says which option of an arm there is not', async () => {
    const { code, stderr } = await sealsync(['compare', '--a', 'routing=none,warp=9', '--json'])
    assert.equal(code, 2)
    assert.match(stderr, /there is no option 'warp'; there are routing, policy/)
  })
})
