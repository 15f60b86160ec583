/**
 * A memory cgroup with one process in it. The process enters before it becomes what is to be limited, so nothing it ever had lies
 * outside; and the kernel's own count of kills cannot be of anybody else's.
 */
import { access, constants, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { messageOf } from '../../util/index.ts'
import { LabError } from '../errors.ts'

export interface CagePlace {
  /** Text of `/proc/self/cgroup` and `/proc/self/mounts`. */
  readonly cgroups: string
  readonly mounts: string
}

/** Where a cgroup for memory may be made: the directories to try, best first. */
export interface CageParent {
  readonly version: 'v1' | 'v2'
  readonly directories: readonly string[]
}

interface Mount {
  readonly point: string
  readonly type: string
  readonly options: readonly string[]
}

function mountsOf(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [, point, type, options] = line.split(' ')
    return point === undefined || type === undefined ? [] : [{ point, type, options: options?.split(',') ?? [] }]
  })
}

/** Own directory first; of v2 its ancestors too, since a v2 cgroup that holds processes can have no children with limits. */
export function findParents({ cgroups, mounts }: CagePlace): CageParent[] {
  const lines = cgroups.split('\n').map((line) => line.split(':'))
  const all = mountsOf(mounts)
  const parents: CageParent[] = []
  const one = all.find(({ type, options }) => type === 'cgroup' && options.includes('memory'))
  const oneAt = lines.find(([, controllers]) => controllers?.split(',').includes('memory'))?.[2]
  if (one !== undefined) {
    const own = join(one.point, oneAt ?? '/')
    parents.push({ version: 'v1', directories: [...new Set([own, one.point])] })
  }
  const two = all.find(({ type }) => type === 'cgroup2')
  const twoAt = lines.find(([id, controllers]) => id === '0' && controllers === '')?.[2]
  if (two !== undefined) {
    const directories: string[] = []
    for (let path = twoAt ?? '/'; ; path = dirname(path)) {
      directories.push(join(two.point, path))
      if (path === '/' || path === '.') break
    }
    parents.push({ version: 'v2', directories: [...new Set(directories.map((path) => path.replace(/\/$/, '')))] })
  }
  return parents
}

const FILES = {
  v1: { limit: 'memory.limit_in_bytes', events: 'memory.oom_control' },
  v2: { limit: 'memory.max', events: 'memory.events' }
} as const

/** A cgroup that was made, with its limit set. */
export class Cage {
  readonly version: 'v1' | 'v2'
  readonly directory: string

  constructor(version: 'v1' | 'v2', directory: string) {
    this.version = version
    this.directory = directory
  }

  /** What a command is to be preceded by so that it starts inside. */
  get prefix(): readonly string[] {
    return ['/bin/sh', '-c', 'echo $$ > "$0" && exec "$@"', join(this.directory, 'cgroup.procs')]
  }

  /** Processes that the kernel killed here for want of memory. */
  async oomKills(): Promise<number> {
    const text = await readFile(join(this.directory, FILES[this.version].events), 'utf8')
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? Number.NaN)
  }

  /** Takes memory away from what runs, or gives it more. Rejects with EBUSY (v1) where the kernel cannot take so much. */
  async setLimit(bytes: number): Promise<void> {
    await writeFile(join(this.directory, FILES[this.version].limit), String(bytes))
  }

  /** Only an empty one can go: after the process has ended. */
  async remove(): Promise<void> {
    await rmdir(this.directory).catch(() => undefined)
  }
}

/** Makes the cgroup and sets its limit, bytes. Throws LabError `no-cgroup` that says what was tried. */
export async function makeCage(limitBytes: number, place?: CagePlace): Promise<Cage> {
  const parents = findParents(place ?? (await readPlace()))
  const tried: string[] = []
  for (const { version, directories } of parents) {
    for (const parent of directories) {
      try {
        return await makeIn(version, parent, limitBytes)
      } catch (error) {
        tried.push(messageOf(error))
      }
    }
  }
  const why = tried.length === 0 ? 'no memory controller is mounted' : tried.join('; ')
  throw new LabError('no-cgroup', `no memory cgroup can be made here (${why}): run as root, or give --no-limit`)
}

let made = 0

async function makeIn(version: 'v1' | 'v2', parent: string, limitBytes: number): Promise<Cage> {
  if (version === 'v2') await delegateMemory(parent)
  made += 1
  const directory = join(parent, `sealsync-hammer-${process.pid}-${made}`)
  await mkdir(directory)
  try {
    await access(join(directory, FILES[version].limit), constants.W_OK)
    const cage = new Cage(version, directory)
    await cage.setLimit(limitBytes)
    // Swap would hide what a limit is to show; where there is none, or it is not counted, the file is not there.
    if (version === 'v2') await writeFile(join(directory, 'memory.swap.max'), '0').catch(() => undefined)
    if (!((await cage.oomKills()) >= 0)) throw new Error(`${directory} does not count kills`)
    return cage
  } catch (error) {
    await rmdir(directory).catch(() => undefined)
    throw error
  }
}

/** Children of a v2 cgroup have limits only when it says so. */
async function delegateMemory(parent: string): Promise<void> {
  const file = join(parent, 'cgroup.subtree_control')
  const on = await readFile(file, 'utf8')
  if (!on.trim().split(' ').includes('memory')) await writeFile(file, '+memory')
}

async function readPlace(): Promise<CagePlace> {
  const [cgroups, mounts] = await Promise.all([
    readFile('/proc/self/cgroup', 'utf8').catch(() => ''),
    readFile('/proc/self/mounts', 'utf8').catch(() => '')
  ])
  return { cgroups, mounts }
}
