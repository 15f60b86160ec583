import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startChainNetwork } from '#test/support/node/chain-network.ts'
import { temporaryDirectory } from '#test/support/node/cli.ts'
import type { Benchmark, Progress } from '../harness/bench.ts'
import { type Contender, isLeftOut, type LeftOut, prepare } from '../harness/contender.ts'
import { Mesh } from '../harness/mesh.ts'
import { residentSplit } from '../harness/process-figures.ts'
import { atMost, type BenchReport, contenderReport, type Figures, machine } from '../harness/report.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** The node that is measured and four peers. */
const NODES = 5
const SETTLE_SECONDS = 60
const READINGS = 5
/** On a machine that is busy with other work. */
const SYNC_LIMIT_MS = 300_000
const MB = 1e6
/** RSS goal of a nano node, MB. */
const GOAL_MB = 90

export const idle: Benchmark = {
  name: 'idle',
  summary:
    'resident memory of an idle node with 4 peers: nano and standard, synced; a Helia node; a libp2p node with nothing on it',
  flags: ['rounds', 'seconds'],
  async run(options, progress): Promise<BenchReport> {
    const startedAt = new Date().toISOString()
    const on = machine()
    const rounds = options.rounds ?? 1
    const settle = options.seconds ?? SETTLE_SECONDS
    const helia = await prepare('helia')
    const peers = isLeftOut(helia) ? [] : [helia, bareLibp2p(helia)]
    const leftOut: LeftOut[] = isLeftOut(helia) ? [helia, { name: 'libp2p', reason: helia.reason }] : []
    const runs = new Map<string, Figures[]>()
    const note = (name: string, figures: Figures): void => {
      runs.set(name, [...(runs.get(name) ?? []), figures])
    }
    for (let round = 0; round < rounds; round += 1) {
      progress(`round ${round + 1} of ${rounds}`)
      for (const profile of ['nano', 'standard']) note(profile, await nodeRun(profile, settle, progress))
      for (const peer of peers) note(peer.name, await meshRun(peer, settle, progress))
    }
    const version = `sealsync ${(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version}`
    const contenders = [
      ...['nano', 'standard'].map((name) => contenderReport({ name, version }, runs.get(name) ?? [])),
      ...peers.map((peer) => contenderReport(peer, runs.get(peer.name) ?? []))
    ]
    const nano = contenders[0]?.median ?? {}
    const goals = [atMost('nano rssMB', nano['rssMB'], GOAL_MB)]
    return {
      schema: 'sealsync.bench/1',
      name: 'idle',
      options: { rounds, settleSeconds: settle, peers: NODES - 1 },
      startedAt,
      machine: on,
      contenders,
      leftOut,
      ratios: Object.fromEntries(
        contenders
          .slice(1)
          .map(({ name, median }) => [
            `nano to ${name}`,
            Number(((nano['rssMB'] ?? Number.NaN) / (median['rssMB'] ?? Number.NaN)).toPrecision(3))
          ])
      ),
      goals,
      ok: goals.every(({ ok }) => ok !== false)
    }
  }
}

/** A libp2p node with nothing on it, as its users start it: no flags of ours. */
function bareLibp2p(helia: Contender): Contender {
  const file = join(ROOT, 'test', 'interop', 'helia-peer', 'libp2p.mjs')
  return { ...helia, name: 'libp2p', launch: () => ({ file: process.execPath, args: [file] }) }
}

/** A synced access node of a profile between two execution nodes and two more access nodes, from the bundle as it ships. */
async function nodeRun(profile: string, settle: number, progress: Progress): Promise<Figures> {
  if (!existsSync(join(ROOT, 'dist', 'main.js'))) throw new Error("there is no bundle: run 'npm run build' first")
  progress(`a ${profile} node and its peers sync`)
  const home = temporaryDirectory()
  const network = await startChainNetwork({
    home: home.path,
    executions: 2,
    limitMs: SYNC_LIMIT_MS,
    access: { target: ['--profile', profile], second: [], third: [] }
  })
  try {
    return await settled(network.access.get('target')?.pid ?? 0, settle, progress)
  } finally {
    await network.stop()
    home.remove()
  }
}

async function meshRun(contender: Contender, settle: number, progress: Progress): Promise<Figures> {
  progress(`${contender.name}: ${NODES} nodes connect`)
  const mesh = await Mesh.start({
    contender,
    nodes: Array.from({ length: NODES }, () => ({ role: 'access' as const }))
  })
  try {
    return await settled(mesh.nodes[0]?.process.pid ?? 0, settle, progress)
  } finally {
    await mesh.stop()
  }
}

/** The middle one of a few readings, a second apart, at the end of the quiet time. */
async function settled(pid: number, seconds: number, progress: Progress): Promise<Figures> {
  progress(`process ${pid} is left alone for ${seconds} s`)
  await pause(seconds * 1_000)
  const readings: Figures[] = []
  for (let at = 0; at < READINGS; at += 1) {
    const { rssBytes, anonBytes, fileBytes } = residentSplit(pid)
    readings.push({ rssMB: rssBytes / MB, anonMB: anonBytes / MB, fileMB: fileBytes / MB })
    await pause(1_000)
  }
  const [middle] = readings.toSorted((a, b) => (a['rssMB'] ?? 0) - (b['rssMB'] ?? 0)).slice(Math.floor(READINGS / 2))
  return middle ?? {}
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
