import type { Benchmark } from '../harness/bench.ts'
import { ratio } from '../harness/bench.ts'
import { atLeast, atMost, type Figures, type Goal } from '../harness/report.ts'
import { beside, HELIA_FOLDER } from '../harness/contender.ts'
import { type KeeperName, KEEPERS } from '../store/put.ts'
import { begin, storeReport, storeRun } from './store-bench.ts'

const KIB = 1024
/** Blobs of one group: 4 and 8 MiB, what a second or two of a chain at 3 MiB/s brings at once. */
const SIZES = [
  { label: '256 KiB', blobBytes: 256 * KIB, group: 16 },
  { label: '1 MiB', blobBytes: 1024 * KIB, group: 8 }
] as const

/** Where a read finds its bytes, and how its figures end. */
const READ_FROM = [
  ['page cache', ''],
  ['disk', ', cold']
] as const
const NOT_MEASURED = 'reads did not come from the disk: the page cache was not to be emptied'

export const store: Benchmark = {
  name: 'store',
  summary:
    'durable puts in groups and random verified reads, out of the page cache and from the disk: ours, a bare append and fdatasync, Level, files, SQLite',
  flags: ['rounds', 'bytes', 'nodeFlags'],
  async run(options, progress) {
    const on = begin()
    const rounds = options.rounds ?? 3
    const bytes = options.bytes ?? 512 * KIB * KIB
    const files = await beside('blockstore-fs')
    const leftOut = 'reason' in files ? [{ name: 'blockstore-fs', reason: files.reason }] : []
    const names = KEEPERS.filter((name) => !leftOut.some((one) => one.name === name))
    const runs = new Map(names.map((name) => [name, [] as Figures[]]))
    for (let round = 0; round < rounds; round += 1) {
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        progress(`round ${round + 1} of ${rounds}: ${name}`)
        runs.get(name)?.push(await oneRun(name, bytes, options.nodeFlags))
      }
    }
    return storeReport({
      name: 'store',
      options: { rounds, bytes },
      ...on,
      runs: [...runs].map(([name, figures]) => ({ name, figures, ...versionOf(name) })),
      leftOut,
      judge: (medians) => judge(medians)
    })
  }
}

const versionOf = (name: KeeperName): { version?: string } => (name === 'sealsync' ? {} : { version: name })

async function oneRun(keeper: KeeperName, bytes: number, nodeFlags: readonly string[] | undefined): Promise<Figures> {
  const figures: Record<string, number> = {}
  for (const { label, blobBytes, group } of SIZES) {
    const run = await storeRun('contend', { keeper, blobBytes, group, bytes, packages: HELIA_FOLDER }, nodeFlags)
    for (const [name, value] of Object.entries(run)) figures[`${label}: ${name}`] = value
  }
  return figures
}

function judge(medians: ReadonlyMap<string, Figures>): { ratios: Figures; goals: Goal[] } {
  const of = (keeper: KeeperName, figure: string): number | undefined => medians.get(keeper)?.[figure]
  const ratios: Record<string, number> = {}
  const goals: Goal[] = []
  for (const { label } of SIZES) {
    const put = `${label}: putMBs`
    const toRaw = of('sealsync', `${label}: putToBare`) ?? Number.NaN
    const toLevel = ratio(of('sealsync', put), of('level', put))
    ratios[`${label}: put to a bare loop in the same run`] = toRaw
    ratios[`${label}: put to level`] = toLevel
    ratios[`${label}: bare loop to level`] = ratio(of('level', `${label}: putMBs, bare loop`), of('level', put))
    goals.push(
      atLeast(`${label}: put to a bare loop in the same run`, toRaw, 0.9),
      atLeast(`${label}: put to level`, toLevel, 5),
      atMost(`${label}: writeAmplification`, of('sealsync', `${label}: writeAmplification`), 1.1)
    )
    for (const [from, suffix] of READ_FROM) {
      const toSlower = of('sealsync', `${label}: verifiedToSlower${suffix}`)
      const what = `${label}: verified read from the ${from} to the slower of reading and hashing`
      ratios[what] = toSlower ?? Number.NaN
      ratios[`${label}: verified read from the ${from} to a bare loop that reads and hashes`] =
        of('sealsync', `${label}: verifiedToBare${suffix}`) ?? Number.NaN
      goals.push(atLeast(what, toSlower, 0.9, NOT_MEASURED))
    }
  }
  return { ratios, goals }
}
