import { fetch, make } from '#test/support/exchange/herd.ts'
import { checkInvariants } from '#test/support/exchange/invariants.ts'
import { createSim, SCALE, simBlob } from '#test/support/exchange/sim.ts'
import { exchangeChange } from './herd.ts'
import { atMost, type Outcome, round, type Scenario, type ScenarioOptions } from './scenario.ts'

const LIMIT_MS = 600_000

export const cold: Scenario = {
  name: 'cold',
  summary: 'one node fetches everything from nodes that hold it all; some holders are silent',
  defaults: { delayMs: [5, 15] },
  run: runCold
}

async function runCold(options: ScenarioOptions, progress: (line: string) => void): Promise<Outcome> {
  const sim = createSim({
    seed: options.seed,
    producers: 1,
    access: options.holders,
    uplinkBits: options.uplinkMbit * 1e6,
    delayMs: options.delayMs,
    options: exchangeChange(options),
    checkEvery: 512
  })
  const [asker, ...others] = sim.access
  if (asker === undefined) throw new Error('nobody to ask')
  const holders = [...sim.producers, ...others]
  const blobs = Array.from({ length: options.blobs }, (_, index) => simBlob(index, options.blobBytes))
  for (const node of holders) for (const blob of blobs) make(node, blob)
  for (const node of others.slice(0, options.silent)) sim.network.silence(node.peer)
  const started = 100
  let last = started
  sim.clock.setTimer(started, () => {
    for (const blob of blobs) void fetch(asker, blob, undefined).then(() => (last = sim.clock.now()))
  })
  for (let at = 0; at < LIMIT_MS && asker.blobs.held.size < blobs.length; at += 1000) {
    await sim.run(at)
    for (const node of sim.nodes) checkInvariants(node)
    progress(`${asker.blobs.held.size} of ${blobs.length} blobs after ${at / 1000} virtual seconds`)
  }
  const { payloadBytes, wants } = asker.exchange.status()
  const duplicateRatio = (payloadBytes.duplicate + payloadBytes.partial) / payloadBytes.useful
  const missing = blobs.length - asker.blobs.held.size
  await sim.stop()
  return {
    figures: {
      duplicateRatio: round(duplicateRatio, 6),
      missing,
      megabytesPerSecond: round((payloadBytes.useful * SCALE) / 1000 / (last - started)),
      asksPerBlob: round(wants.sent / blobs.length, 4)
    },
    goals: options.policy === 'assigned' ? [atMost('duplicateRatio', duplicateRatio, 0.0005)] : [],
    broken: missing > 0 ? [`${missing} blobs never came`] : []
  }
}
