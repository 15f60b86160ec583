import { readSync } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, systemClock } from '../util/index.ts'
import type { Disk, DiskFile } from './disk.ts'
import { ReadPace } from './read-pace.ts'

const FLAGS = { read: 'r', write: 'r+', create: 'wx+' } as const

/** Reads up to this length are tried without leaving the thread, bytes: some 20 µs where the system has them in memory. */
const READ_HERE = 65_536

const pace = new ReadPace(systemClock)

/** The real disk, by `node:fs`. */
export const nodeDisk: Disk = {
  async makeDirectory(path) {
    await mkdir(path, { recursive: true })
  },
  async list(directory) {
    const entries = await readdir(directory, { withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile())
    return Promise.all(files.map(async ({ name }) => ({ name, bytes: (await stat(join(directory, name))).size })))
  },
  async open(path, mode) {
    return fileOf(await open(path, FLAGS[mode], 0o600))
  },
  unlink,
  rename,
  async syncDirectory(path) {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } catch (error) {
      // Some file systems have no sync of directories; their renames and creations are ordered then.
      if (codeOf(error) !== 'EINVAL') throw error
    } finally {
      await handle.close()
    }
  }
}

function fileOf(handle: FileHandle): DiskFile {
  return {
    async append(parts, position) {
      let at = position
      let rest = parts
      while (rest.length > 0) {
        const { bytesWritten } = await handle.writev(rest as Uint8Array[], at)
        at += bytesWritten
        rest = skip(rest, bytesWritten)
      }
    },
    async read(into, position) {
      let done = 0
      if (into.length <= READ_HERE && pace.isQuick()) {
        done = readSync(handle.fd, into, 0, into.length, position)
        pace.isSlow()
        if (done === 0) return 0
      }
      while (done < into.length) {
        const { bytesRead } = await handle.read(into, done, into.length - done, position + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      return done
    },
    datasync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close()
  }
}

/** What is left of the parts when their first `count` bytes are done. */
function skip(parts: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let left = count
  let at = 0
  for (let part = parts[at]; part !== undefined && left >= part.length; part = parts[at]) {
    left -= part.length
    at += 1
  }
  const first = parts[at]
  if (first === undefined) return []
  return left === 0 ? parts.slice(at) : [first.subarray(left), ...parts.slice(at + 1)]
}
