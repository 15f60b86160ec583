// What a node that runs for long needs before its process starts.

/**
 * For glibc: what is larger than a blob of 1 MiB is a mapping of its own, which goes back to the system when it is freed. A blob
 * itself is not: the system clears every page of a new mapping when it is first written, a seventh of all CPU of a node that
 * catches up. For that, some 40 MiB of what a load has used stay with the process. Whoever would rather have them back sets
 * MALLOC_MMAP_THRESHOLD_=131072 in the environment, which goes before this.
 *
 * @type {Readonly<Record<string, string>>}
 */
export const NODE_ENVIRONMENT = {
  MALLOC_MMAP_THRESHOLD_: '1114112',
  MALLOC_TRIM_THRESHOLD_: '1048576',
  MALLOC_ARENA_MAX: '2'
}

/**
 * For V8:
 * - a young generation of 1 MiB halves resident memory: 64 KiB network buffers are freed while they are still warm;
 * - V8 counts the bytes of blobs towards a limit that follows the small heap of objects, and would collect that heap once a
 *   second at 3 MiB/s: five times the live heap as the limit halves the CPU of a loaded node and costs some 4 MiB when idle.
 *
 * @type {readonly string[]}
 */
export const NODE_FLAGS = ['--max-semi-space-size=1', '--heap-growing-percent=400']
