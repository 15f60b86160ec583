/**
 * The disk as the segment files see it: small, so that a simulated one can lose what was not synced.
 * Errors are system errors with their `code` (`ENOSPC`, `EIO`, `ENOENT`…).
 */
export interface Disk {
  /** Creates the directory and its parents; fine when it is there. */
  makeDirectory(path: string): Promise<void>
  /** Plain files of a directory, in no particular order. */
  list(directory: string): Promise<readonly DiskEntry[]>
  /** `create` fails with `EEXIST` when the file is there, the others with `ENOENT` when it is not. */
  open(path: string, mode: DiskOpenMode): Promise<DiskFile>
  unlink(path: string): Promise<void>
  /** Gives a file another name in its directory; a file that has that name is replaced. */
  rename(from: string, to: string): Promise<void>
  /** Resolves when files created in and unlinked from the directory are so for good. */
  syncDirectory(path: string): Promise<void>
}

export type DiskOpenMode = 'read' | 'write' | 'create'

export interface DiskEntry {
  readonly name: string
  readonly bytes: number
}

export interface DiskFile {
  /** Writes the parts one behind the other from `position` on, all of them or it rejects. */
  append(parts: readonly Uint8Array[], position: number): Promise<void>
  /** Fills `into` from `position` on and gives how many bytes there were: fewer only where the file ends. */
  read(into: Uint8Array, position: number): Promise<number>
  /** Resolves when all that was written, and the file's length, is on the disk. */
  datasync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}
