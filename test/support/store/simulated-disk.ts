import { dirname } from 'node:path'
import type { Disk, DiskEntry, DiskFile, DiskOpenMode } from '#src/store/index.ts'
import type { Rng } from '#src/util/index.ts'
import { Power, pick, systemError } from './power.ts'

type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly length: number }

interface FileState {
  /** What the machine sees. */
  seen: Buffer
  /** What the disk has for good. */
  durable: Buffer
  changes: Change[]
}

const SECTOR = 512

/**
 * A disk that may lose everything that was not synced: writes wholly, in part, or in another order, truncations, and the
 * directory entries of new and unlinked files. `faults` makes single operations fail.
 */
export class SimulatedDisk {
  power = new Power()
  /** Gives the error with which an operation is to fail, if it is. */
  faults: (operation: 'append' | 'datasync' | 'truncate' | 'read' | 'create', path: string) => Error | undefined = () =>
    undefined
  /** A lying disk: says it has synced and has not. */
  ignores: (sync: 'segment' | 'directory') => boolean = () => false
  readonly counts = { datasync: 0, unlink: 0, append: 0, read: 0, open: 0, openNow: 0, openMax: 0 }
  #files = new Map<string, FileState>()
  #durableEntries = new Map<string, FileState>()

  /** The disk as one process sees it: when that process is dead, so is this. */
  attach(): Disk {
    const power = this.power
    return {
      makeDirectory: async () => undefined,
      list: (directory) => this.#list(directory, power),
      open: (path, mode) => this.#open(path, mode, power),
      unlink: (path) => this.#unlink(path, power),
      rename: (from, to) => this.#rename(from, to, power),
      syncDirectory: (directory) => this.#syncDirectory(directory, power)
    }
  }

  async #list(directory: string, power: Power): Promise<DiskEntry[]> {
    await operate(power)
    return [...this.#files]
      .filter(([path]) => dirname(path) === directory)
      .map(([path, file]) => ({ name: path.slice(directory.length + 1), bytes: file.seen.length }))
  }

  async #open(path: string, mode: DiskOpenMode, power: Power): Promise<DiskFile> {
    await operate(power, mode === 'create' ? this.faults('create', path) : undefined)
    const known = this.#files.get(path)
    if (mode === 'create' && known !== undefined) throw systemError('EEXIST')
    if (mode !== 'create' && known === undefined) throw systemError('ENOENT')
    const file = known ?? { seen: Buffer.alloc(0), durable: Buffer.alloc(0), changes: [] }
    this.#files.set(path, file)
    return this.#handle(path, file, power)
  }

  async #unlink(path: string, power: Power): Promise<void> {
    await operate(power)
    this.counts.unlink += 1
    if (!this.#files.delete(path)) throw systemError('ENOENT')
  }

  async #rename(from: string, to: string, power: Power): Promise<void> {
    await operate(power)
    const file = this.#files.get(from)
    if (file === undefined) throw systemError('ENOENT')
    this.#files.delete(from)
    this.#files.set(to, file)
  }

  async #syncDirectory(directory: string, power: Power): Promise<void> {
    await operate(power)
    if (this.ignores('directory')) return
    for (const path of this.#durableEntries.keys()) {
      if (dirname(path) === directory && !this.#files.has(path)) this.#durableEntries.delete(path)
    }
    for (const [path, file] of this.#files) if (dirname(path) === directory) this.#durableEntries.set(path, file)
  }

  /** The machine is off: what is left when it comes back. Handles opened before are dead. */
  restart(rng: Rng): void {
    const names = new Set([...this.#files.keys(), ...this.#durableEntries.keys()])
    const files = new Map<string, FileState>()
    for (const name of names) {
      const now = this.#files.get(name)
      const before = this.#durableEntries.get(name)
      const file = now === before || rng.next() < 0.5 ? now : before
      if (file === undefined) continue
      const content = file === now || file.changes.length > 0 ? survivor(file, rng) : file.durable
      files.set(name, { seen: content, durable: content, changes: [] })
    }
    this.#files = files
    this.#durableEntries = new Map(files)
    this.power = new Power()
  }

  /** The process is killed and the machine goes on: all that was written is seen, and still not synced. */
  killProcess(): void {
    this.power.cut()
    this.power = new Power()
  }

  paths(): string[] {
    return [...this.#files.keys()].sort()
  }

  contentOf(path: string): Buffer {
    const file = this.#files.get(path)
    if (file === undefined) throw systemError('ENOENT')
    return file.seen
  }

  /** Puts bytes where they were not written by the store; durable at once. */
  setContent(path: string, bytes: Uint8Array): void {
    const file: FileState = { seen: Buffer.from(bytes), durable: Buffer.from(bytes), changes: [] }
    this.#files.set(path, file)
    this.#durableEntries.set(path, file)
  }

  removeFile(path: string): void {
    this.#files.delete(path)
    this.#durableEntries.delete(path)
  }

  #handle(path: string, file: FileState, power: Power): DiskFile {
    this.counts.open += 1
    this.counts.openNow += 1
    this.counts.openMax = Math.max(this.counts.openMax, this.counts.openNow)
    return {
      append: async (parts, position) => {
        this.counts.append += 1
        const bytes = Buffer.concat(parts)
        const fault = this.faults('append', path)
        // A failing write has done a part of its work.
        if (fault !== undefined) applyTo(file, { kind: 'write', position, bytes: bytes.subarray(0, bytes.length >> 1) })
        await operate(power, fault)
        applyTo(file, { kind: 'write', position, bytes })
        power.check()
      },
      read: async (into, position) => {
        this.counts.read += 1
        await operate(power, this.faults('read', path))
        return position < file.seen.length ? file.seen.copy(into, 0, position) : 0
      },
      datasync: async () => {
        this.counts.datasync += 1
        await operate(power, this.faults('datasync', path))
        if (!this.ignores('segment')) {
          file.durable = file.seen
          file.changes = []
        }
        power.check()
      },
      truncate: async (length) => {
        await operate(power, this.faults('truncate', path))
        applyTo(file, { kind: 'truncate', length })
      },
      close: async () => {
        this.counts.openNow -= 1
      }
    }
  }
}

async function operate(power: Power, fault?: Error): Promise<void> {
  power.use()
  await Promise.resolve()
  power.check()
  if (fault !== undefined) throw fault
}

function applyTo(file: FileState, change: Change): void {
  file.seen = changed(file.seen, change)
  file.changes.push(change)
}

function changed(content: Buffer, change: Change): Buffer {
  if (change.kind === 'truncate') {
    return change.length <= content.length
      ? Buffer.from(content.subarray(0, change.length))
      : Buffer.concat([content, Buffer.alloc(change.length - content.length)])
  }
  const out = Buffer.alloc(Math.max(content.length, change.position + change.bytes.length))
  content.copy(out)
  change.bytes.copy(out, change.position)
  return out
}

/** The durable content with some of the unsynced changes: each kept, lost, or kept in some of its sectors. */
function survivor(file: FileState, rng: Rng): Buffer {
  let content = file.durable
  for (const change of file.changes) {
    const fate = pick(rng, 3)
    if (fate === 0) continue
    if (change.kind === 'truncate' || fate === 1) {
      content = changed(content, change)
      continue
    }
    for (let at = 0; at < change.bytes.length; at += SECTOR) {
      if (rng.next() < 0.5) continue
      const bytes = change.bytes.subarray(at, at + SECTOR)
      content = changed(content, { kind: 'write', position: change.position + at, bytes })
    }
  }
  return content
}
