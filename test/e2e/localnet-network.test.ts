import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { LocalnetReport, NodeReport } from '#src/lab/index.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const chain = readFileSync(new URL('../fixtures/chain/blocks.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { height: number; blobs: number; bytes: number })

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function localnet(args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, ['bin/sealsync.mjs', 'localnet', ...args], { cwd: root })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text) => {
    stdout += String(text)
  })
  child.stderr.on('data', (text) => {
    stderr += String(text)
  })
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })))
}

async function report(args: readonly string[]): Promise<LocalnetReport> {
  const { code, stdout, stderr } = await localnet([...args, '--json'])
  const lines = stdout.trimEnd().split('\n')
  assert.equal(lines.length, 1, `stdout carries the report and nothing else:\n${stdout}\n${stderr}`)
  const value = JSON.parse(lines[0] ?? '') as LocalnetReport
  assert.deepEqual(value.reasons, [], stderr)
  assert.equal(value.ok, true)
  assert.equal(code, 0)
  return value
}

const ofRole = (value: LocalnetReport, role: string): NodeReport[] => value.nodes.filter((node) => node.role === role)
const sumOf = (blocks: typeof chain, key: 'blobs' | 'bytes'): number =>
  blocks.reduce((sum, block) => sum + block[key], 0)

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    () => false
  )

describe('a localnet', () => {
  it('leaves no node behind when it is killed', async () => {
    const args = 'localnet --execution 1 --access 1 --source synthetic --for 300s'.split(' ')
    const child = spawn(process.execPath, ['bin/sealsync.mjs', ...args], { cwd: root })
    let text = ''
    child.stderr.on('data', (part) => (text += String(part)))
    const soon = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
      for (let tries = 0; tries < 600; tries += 1) {
        if (await holds()) return
        await new Promise((go) => setTimeout(go, 100))
      }
      assert.fail(text)
    }
    const urls = (): string[] => text.match(/http:\S+\/metrics/g) ?? []
    await soon(() => urls().length === 2)
    child.kill('SIGKILL')
    for (const url of urls()) await soon(async () => !(await answers(url)))
  })

  it('syncs observers from the access nodes alone, through their public hosts', async () => {
    const args = '--execution 2 --access 1 --observer 1 --source chain --blocks 10 --rate 10 --quiet 0 --delay 5'
    const value = await report(args.split(' '))
    const [observer] = ofRole(value, 'observer')
    const last = chain[9]
    assert.ok(observer && last)
    assert.equal(observer.heights.consecutive, last.height)
    assert.equal(observer.payloadBytes.useful, sumOf(chain.slice(0, 10), 'bytes'))
    assert.match(observer.peerId, /^16Uiu2/)
    assert.equal(observer.connections, 1)
    for (const node of value.nodes.filter(({ role }) => role !== 'observer'))
      assert.equal(node.connections, 2, node.name)
  })

  it('syncs the genuine chain to every access node, each blob once', async () => {
    const blocks = chain.slice(0, 12)
    const value = await report('--execution 1 --access 2 --source chain --blocks 12 --rate 12 --quiet 0'.split(' '))
    assert.equal(value.workload.blocks, 12)
    assert.equal(value.workload.bytes, sumOf(blocks, 'bytes'))
    const access = ofRole(value, 'access')
    assert.equal(access.length, 2)
    for (const node of access) {
      assert.equal(node.heights.consecutive, blocks.at(-1)?.height, node.name)
      assert.equal(node.connections, 2, node.name)
      assert.equal(
        node.payloadBytes.useful,
        node.payloadBytes.received - node.payloadBytes.duplicate - node.payloadBytes.partial
      )
      assert.ok(node.payloadBytes.useful >= sumOf(blocks, 'bytes') * 0.5, node.name)
      assert.equal(node.exitCode, 0, node.name)
    }
    assert.ok(value.totals.duplicateRatio <= 0.01)
  })

  it('goes on after a node was killed, which receives nothing again that it had acknowledged', async () => {
    const value = await report(
      '--execution 1 --access 2 --source chain --blocks 16 --rate 4 --kill 1 --quiet 0'.split(' ')
    )
    const [killed] = ofRole(value, 'access')
    assert.equal(killed?.fault, 'kill')
    assert.equal(killed?.runs?.length, 2)
    assert.deepEqual(
      killed?.runs?.map((run) => run.refetched),
      [0, 0]
    )
    assert.ok((killed?.runs?.[1]?.presentAtStart ?? 0) > 0)
    assert.equal(killed?.heights.consecutive, chain[15]?.height)
  })

  it('keeps the newest heights whole when all access nodes are killed at once, and says how it was', async () => {
    const args =
      '--execution 1 --access 2 --source synthetic --blob-size 4KiB --blobs-per-block 3 --blocks 80 --rate 20'
    const value = await report(`${args} --retention 15 --kill 2 --quiet 0`.split(' '))
    const { samples = [], nodes } = value
    assert.ok(samples.length > 1)
    assert.deepEqual(
      samples.at(-1)?.nodes.map(({ name, diskBytes, rssBytes }) => [name, diskBytes > 0, rssBytes > 0]),
      nodes.map(({ name }) => [name, true, true])
    )
    for (const node of ofRole(value, 'access')) {
      const [before, after] = node.runs ?? []
      assert.deepEqual([before?.refetched, after?.refetched], [0, 0])
      const { readyMs = 0, healthyMs = 0, headMs = 0, crashToHeadMs = 0 } = after ?? {}
      assert.ok(
        readyMs > 0 && healthyMs >= readyMs && headMs >= readyMs && crashToHeadMs > headMs,
        JSON.stringify(after)
      )
    }
  })

  it('goes on from the chain to synthetic blocks over delayed links', async () => {
    const value = await report(
      '--execution 1 --access 1 --blocks 74 --rate 60 --delay 5 --security noise --quiet 0'.split(' ')
    )
    assert.equal(value.workload.lastHeight, (chain.at(-1)?.height ?? 0) + 2)
    assert.equal(value.workload.source, 'chain+synthetic')
    assert.ok((value.driver.relayCpuSeconds ?? 0) > 0)
  })
})

describe("a localnet's bad options", () => {
  const rows: readonly (readonly [args: string, line: RegExp])[] = [
    ['--access none', /^sealsync: --access 'none' must be a whole number\n$/],
    ['--kill 1 --source synthetic', /^sealsync: --kill and --silent strike half way: [^\n]*\n$/],
    ['--source /nowhere/at/all', /^sealsync: --source \/nowhere\/at\/all: [^\n]*\n$/],
    ['--blocs 3', /^sealsync: unknown option '--blocs' \(Did you mean --blocks\?\)\n$/]
  ]
  for (const [args, line] of rows) {
    it(`end ${args} with exit code 2 and one line`, async () => {
      const { code, stdout, stderr } = await localnet(args.split(' '))
      assert.match(stderr, line)
      assert.equal(stdout, '')
      assert.equal(code, 2)
    })
  }
})
