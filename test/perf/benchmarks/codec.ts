import type { Benchmark } from '../harness/bench.ts'
import { inOwnProcess } from '../harness/own-process.ts'
import { atLeast, atMost, contenderReport, type Figures, type Goal, machine } from '../harness/report.ts'

const RUN = new URL('../peers/codec-run.ts', import.meta.url)
const NAMES = ['sealsync', 'lz4-napi'] as const

export const codec: Benchmark = {
  name: 'codec',
  summary: 'decoding and encoding genuine chunks: MB/s of plaintext, memory, pauses, bombs; native LZ4 beside',
  flags: ['rounds', 'nodeFlags'],
  async run(options, progress) {
    const rounds = options.rounds ?? 5
    const startedAt = new Date().toISOString()
    const on = machine()
    const runs = { sealsync: [] as Figures[], 'lz4-napi': [] as Figures[] }
    for (let round = 0; round < rounds; round += 1) {
      for (const name of round % 2 === 0 ? NAMES : NAMES.toReversed()) {
        progress(`round ${round + 1} of ${rounds}: ${name}`)
        runs[name].push(await figuresOf(name, options.nodeFlags ?? []))
      }
    }
    const contenders = NAMES.map((name) => contenderReport({ name, version: name }, runs[name]))
    const [ours, native] = contenders.map(({ median }) => median)
    const goals = goalsOf(ours ?? {})
    const ratio = (figure: string): number => Number(((ours?.[figure] ?? 0) / (native?.[figure] ?? 0)).toPrecision(3))
    return {
      schema: 'sealsync.bench/1',
      name: 'codec',
      options: { rounds },
      startedAt,
      machine: on,
      contenders,
      leftOut: [],
      ratios: { 'lz4Decode to native': ratio('lz4DecodeMBs'), 'lz4Encode to native': ratio('lz4EncodeMBs') },
      goals,
      ok: goals.every(({ ok }) => ok !== false)
    }
  }
}

function goalsOf(figures: Figures): Goal[] {
  const least = { lz4DecodeMBs: 400, lz4EncodeMBs: 100, chunkDecodeMBs: 100, chunkEncodeMBs: 60 }
  const most = {
    decodePeakPerPlainByte: 3,
    encodePeakPerPlainByte: 3,
    decodeLongestPauselessMs: 20,
    encodeLongestPauselessMs: 20
  }
  return [
    ...Object.entries(least).map(([name, bound]) => atLeast(name, figures[name], bound)),
    ...Object.entries(most).map(([name, bound]) => atMost(name, figures[name], bound)),
    ...Object.keys(figures)
      .filter((name) => name.startsWith('bomb '))
      .map((name) => atMost(name, figures[name], name.endsWith(': ms') ? 50 : 16))
  ]
}

const figuresOf = (name: string, nodeFlags: readonly string[]): Promise<Figures> =>
  inOwnProcess(RUN, [name], { nodeFlags: [...nodeFlags, '--expose-gc'] })
