import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** What this process has had read from the disk and written to it, bytes; NaN where the kernel does not say. */
export async function diskBytes(): Promise<{ readonly read: number; readonly written: number }> {
  const text = await readFile('/proc/self/io', 'latin1').catch(() => '')
  const of = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
  return { read: of('read_bytes'), written: of('write_bytes') }
}

/**
 * Has the system forget what it holds in memory of all files below a folder. What is not on the disk yet stays, and what a process maps:
 * only the bytes that the disk then reads show that it worked. GNU's `dd` asks for it by `posix_fadvise`, as Node cannot. Rejects
 * where there is none.
 */
export async function dropFromPageCache(folder: string): Promise<void> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  for (const { parentPath, name } of files) {
    await promisify(execFile)('dd', [`if=${join(parentPath, name)}`, 'iflag=nocache', 'count=0', 'status=none'])
  }
}
