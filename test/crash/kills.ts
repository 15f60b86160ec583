import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { type Rng, seededRng } from '#src/util/index.ts'

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url))
/** A life lasts this long, ms, from the moment it is at work. */
const LIFE_MS = [20, 600] as const
/** A restart that takes longer is a fault, ms. */
const MAX_OPEN_MS = 2_000

interface Said {
  readonly openMs?: number
  readonly lost?: number
  readonly wrong?: number
  readonly acknowledged?: readonly number[]
  readonly prunedTo?: number
  readonly copied?: number
  readonly unlinked?: number
}

export interface KillReport {
  readonly schema: 'sealsync.crash/1'
  readonly ok: boolean
  readonly seed: number
  readonly rounds: number
  readonly acknowledged: number
  readonly lost: number
  readonly wrong: number
  readonly prunedTo: number
  readonly compactedBytes: number
  readonly unlinkedBytes: number
  readonly openMs: { readonly median: number; readonly max: number }
}

/** Starts the store's process again and again, each time until it is killed with SIGKILL, and sums up what was found. */
export async function kills(
  { rounds, seed }: { readonly rounds: number; readonly seed: number },
  onRound: (round: number, report: KillReport) => void = () => undefined
): Promise<KillReport> {
  const home = mkdtempSync(join(tmpdir(), 'sealsync-crash-'))
  const rng = seededRng(seed)
  const sum = { acknowledged: 0, lost: 0, wrong: 0, prunedTo: -1, compactedBytes: 0, unlinkedBytes: 0 }
  const openMs: number[] = []
  let heights: number[] = []
  const report = (done: number): KillReport => {
    const sorted = [...openMs].sort((a, b) => a - b)
    const max = sorted.at(-1) ?? 0
    const ok = sum.lost === 0 && sum.wrong === 0 && max <= MAX_OPEN_MS
    const median = sorted[sorted.length >> 1] ?? 0
    return { schema: 'sealsync.crash/1', ok, seed, rounds: done, ...sum, openMs: { median, max } }
  }
  try {
    for (let round = 1; round <= rounds; round += 1) {
      const file = join(home, 'acknowledged.json')
      writeFileSync(file, JSON.stringify(heights))
      const said = await oneLife([join(home, 'data'), file], rng)
      const [check] = said
      if (check?.openMs === undefined)
        throw new Error(`round ${round}: the process ended before it had opened the store`)
      openMs.push(check.openMs)
      sum.lost += check.lost ?? 0
      sum.wrong += check.wrong ?? 0
      for (const { acknowledged = [], prunedTo = -1 } of said) {
        heights.push(...acknowledged)
        sum.acknowledged += acknowledged.length
        sum.prunedTo = Math.max(sum.prunedTo, prunedTo)
      }
      sum.compactedBytes += said.at(-1)?.copied ?? 0
      sum.unlinkedBytes += said.at(-1)?.unlinked ?? 0
      heights = heights.filter((height) => height > sum.prunedTo)
      onRound(round, report(round))
    }
    return report(rounds)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

function oneLife(args: readonly string[], rng: Rng): Promise<Said[]> {
  const child = spawn(process.execPath, [WORKER, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const said: Said[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    said.push(JSON.parse(line) as Said)
    if (said.length === 1) setTimeout(() => child.kill('SIGKILL'), LIFE_MS[0] + rng.next() * (LIFE_MS[1] - LIFE_MS[0]))
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(said)
      else reject(new Error(`the process ended by itself with ${code ?? signal}`))
    })
  })
}

/** `npm run test:crash [-- --rounds N] [--seed S]`; gives the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { rounds: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } }
  })
  const rounds = Number(values.rounds)
  const seed = Number(values.seed)
  if (!Number.isSafeInteger(rounds) || rounds < 1 || !Number.isSafeInteger(seed)) {
    process.stderr.write('test:crash: --rounds and --seed are whole numbers\n')
    return 2
  }
  const report = await kills({ rounds, seed }, (round, { acknowledged, lost, wrong, openMs }) => {
    if (round % 10 !== 0) return
    process.stderr.write(
      `test:crash: ${round} of ${rounds} kills, ${acknowledged} heights acknowledged, ${lost} blobs lost, ${wrong} wrong, opening ${openMs.max} ms at most\n`
    )
  })
  process.stdout.write(`${JSON.stringify(report)}\n`)
  return report.ok ? 0 : 1
}
