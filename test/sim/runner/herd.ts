import { defaultExchangeOptions, type ExchangeOptionsChange } from '#src/exchange/index.ts'
import { startHerd, quantile, type HerdReport } from '#test/support/exchange/herd.ts'
import { checkInvariants } from '#test/support/exchange/invariants.ts'
import { ScriptedPeer } from '#test/support/exchange/script.ts'
import { createSim, SCALE, type Sim } from '#test/support/exchange/sim.ts'
import type { SimNode } from '#test/support/exchange/sim-node.ts'
import { atMost, type Goal, type Outcome, round, type Scenario, type ScenarioOptions } from './scenario.ts'

/** What is under way when the last blob is made has so long to arrive. */
const AFTERWARDS_MS = 30_000

export const herd: Scenario = {
  name: 'herd',
  summary: 'producers make blobs, all others want each at once; some nodes are silent',
  defaults: {},
  // Its nodes exchange a hundred times as many messages: 40 seconds of 200 nodes would take a core for ten minutes.
  classicDefaults: { seconds: 6 },
  run: runHerd
}

export const liar: Scenario = {
  name: 'liar',
  summary: 'a herd in which a node says HAVE to every want and delivers nothing',
  defaults: { nodes: 20, liars: 1, delayMs: [3, 20], seconds: 120 },
  run: runHerd
}

export const stall: Scenario = {
  name: 'stall',
  summary: 'a herd on starved machines: whole processes get no CPU for a while, again and again',
  defaults: { nodes: 20, stalls: 20, delayMs: [0, 2], seconds: 120 },
  run: runHerd
}

/** As celestia-node runs boxo (`share/shwap/p2p/bitswap/bitswap.go`). */
const PATIENT = { timeoutFactor: 4, latencyWeight: 0.2, timeoutMs: { min: 1000, max: 30_000, unknown: 30_000 } }

export function exchangeChange({ policy, patient }: ScenarioOptions): ExchangeOptionsChange {
  if (!patient) return { policy }
  return { policy, client: { classic: { ...defaultExchangeOptions.client.classic, ...PATIENT } } }
}

async function runHerd(options: ScenarioOptions, progress: (line: string) => void): Promise<Outcome> {
  const sim = createSim(
    {
      seed: options.seed,
      producers: options.producers,
      access: options.nodes - options.producers - options.liars,
      uplinkBits: options.uplinkMbit * 1e6,
      delayMs: options.delayMs,
      options: exchangeChange(options),
      checkEvery: Number.POSITIVE_INFINITY
    },
    options.liars
  )
  for (const peer of sim.strangers) lie(sim, peer)
  const silent = sim.access.slice(0, options.silent)
  const blobs = Math.round(options.seconds * options.rate)
  const report = startHerd(sim, {
    blobs,
    everyMs: 1000 / options.rate,
    blobBytes: options.blobBytes,
    fetchers: sim.access,
    uncounted: silent
  })
  sim.clock.setTimer(options.silentAt * options.seconds * 1000, () => {
    for (const node of silent) sim.network.silence(node.peer)
  })
  stallAtTimes(sim, options)
  const end = options.seconds * 1000 + AFTERWARDS_MS
  for (let at = 0; at < end; at += 1000) {
    await sim.run(at)
    for (const node of sim.nodes) checkInvariants(node)
    if (at % 10_000 === 0) progress(`${at / 1000} of ${end / 1000} virtual seconds`)
  }
  const outcome = outcomeOf(sim, options, report())
  await sim.stop()
  return outcome
}

function lie(sim: Sim, peer: SimNode['peer']): void {
  const port = sim.network.port(peer)
  if (port === undefined) return
  const script = new ScriptedPeer(port)
  script.onWant = (from, entry) => script.say(from, entry.key, true)
  script.onWantHave = script.onWant
}

function stallAtTimes(sim: Sim, { stalls, stallMs: [least, most], seconds }: ScenarioOptions): void {
  if (stalls === 0) return
  for (const node of sim.nodes) {
    const next = (): void => {
      const pause = (-Math.log(1 - sim.rng.next()) * 60_000) / stalls
      sim.clock.setTimer(pause, () => {
        if (sim.clock.now() > seconds * 1000) return
        const lasts = least + (most - least) * sim.rng.next()
        node.stall(lasts)
        sim.clock.setTimer(lasts, next)
      })
    }
    next()
  }
}

function outcomeOf(sim: Sim, options: ScenarioOptions, report: HerdReport): Outcome {
  const blobs = Math.round(options.seconds * options.rate)
  const live = sim.access.slice(options.silent)
  const sum = (nodes: readonly SimNode[], of: (node: SimNode) => number): number =>
    nodes.reduce((total, node) => total + of(node), 0)
  const words = sum(live, ({ exchange }) => exchange.status().messages.sent - exchange.status().blobs.sent)
  const sent = (node: SimNode): number => node.exchange.status().payloadBytes.sent
  const latency = (share: number): number => round(quantile(report.latencies, share), 1)
  const copies = (nodes: readonly SimNode[]): number =>
    Math.max(...nodes.map((node) => node.exchange.status().blobs.sent / blobs))
  const figures = {
    duplicateRatio: round(report.duplicateRatio, 6),
    partialRatio: round(report.partialBytes / report.usefulBytes, 6),
    usefulBytes: report.usefulBytes * SCALE,
    missing: report.missing,
    latencyMs: {
      count: report.latencies.length,
      p50: latency(0.5),
      p99: latency(0.99),
      p999: latency(0.999),
      max: latency(1)
    },
    controlMessagesPerBlob: round(words / blobs / live.length),
    asksPerBlob: round(sum(live, (node) => node.exchange.status().wants.sent) / blobs / live.length, 4),
    timedOutPerBlob: round(sum(live, (node) => node.exchange.status().wants.timedOut) / blobs / live.length, 5),
    hedged: sum(live, (node) => node.exchange.status().wants.hedged),
    producerUploadShare: round(sum(sim.producers, sent) / sum(sim.nodes, sent), 4),
    producerCopies: round(copies(sim.producers)),
    mostCopies: round(copies(sim.nodes))
  }
  return {
    figures,
    goals: goalsOf(options, figures),
    broken: report.missing > 0 ? [`${report.missing} blobs never came`] : []
  }
}

/** The figures the design is held to, where the run is of that kind. */
function goalsOf(
  options: ScenarioOptions,
  figures: { duplicateRatio: number; producerCopies: number; latencyMs: { p99: number } }
): Goal[] {
  const asDesigned = options.policy === 'assigned' && options.blobBytes >= 1_048_576 && options.rate === 3
  const usual = asDesigned && options.delayMs[1] <= 60 && options.silent <= options.nodes / 10
  if (!usual || options.uplinkMbit < 300) return []
  const fast = options.uplinkMbit >= 1000 && options.stalls === 0
  return [
    atMost('duplicateRatio', figures.duplicateRatio, fast ? 0.0005 : 0.001),
    atMost('p99', figures.latencyMs.p99, fast ? 1000 : 1500),
    atMost('producerCopies', figures.producerCopies, options.silent > 0 ? 5 : 4)
  ]
}
