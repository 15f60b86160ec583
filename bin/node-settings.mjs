// What a node that runs for long needs before its process starts.

/**
 * For glibc: what is larger than a blob of 1 MiB is a mapping of its own, which goes back to the system when it is freed. A blob
 * itself is not: the system clears every page of a new mapping when it is first written, a seventh of all CPU of a node that
 * catches up. Nor does what is free at the heap's end go back below 16 MiB: twice what is read between two collections, which is freed at
 * once and needed again. For that, some 40 MiB of what a load has used stay with the process until it rests. Whoever would rather have them
 * back sooner sets MALLOC_MMAP_THRESHOLD_=131072 in the environment, which goes before this.
 *
 * @type {Readonly<Record<string, string>>}
 */
export const NODE_ENVIRONMENT = {
  MALLOC_MMAP_THRESHOLD_: '1114112',
  MALLOC_TRIM_THRESHOLD_: '16777216',
  MALLOC_ARENA_MAX: '2'
}

/**
 * The profile nano gives everything back: what is larger than 128 KiB is a mapping of its own, and all threads share one heap. A load then
 * costs a seventh more CPU, and an idle node some 5 MiB less memory.
 *
 * @type {Readonly<Record<string, string>>}
 */
const NANO_ENVIRONMENT = {
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
  MALLOC_ARENA_MAX: '1'
}

/**
 * For V8:
 * - a young generation of 16 MiB, which is Node's own as well: what a node that catches up does for a block lives for a good part of a
 *   second, and in a smaller one it is copied before it is garbage, a tenth of that node's CPU with 8 MiB. What sockets
 *   read would then be freed late, and is collected by bytes (`src/util/read-garbage.ts`). nano keeps to 1 MiB;
 * - V8 counts the bytes of blobs towards a limit that follows the small heap of objects, and would collect that heap once a
 *   second at 3 MiB/s: five times the live heap as the limit halves the CPU of a loaded node and costs some 4 MiB when idle;
 * - a node that has nothing to do collects what its last load left.
 *
 * @type {readonly string[]}
 */
export const NODE_FLAGS = ['--max-semi-space-size=16', '--heap-growing-percent=400', '--expose-gc']

/**
 * And one optimising compiler instead of three: the pages of the two quicker ones, and what they make, are 6 MiB of an idle node. The
 * interpreter then works until TurboFan has what is hot.
 *
 * Of a flag that comes twice the last one counts.
 *
 * @type {readonly string[]}
 */
const NANO_FLAGS = [...NODE_FLAGS, '--max-semi-space-size=1', '--no-maglev', '--no-sparkplug']

/**
 * What a node of a profile is started with.
 *
 * @param {string | undefined} profile
 */
export function nodeSettings(profile) {
  return profile === 'nano'
    ? { environment: NANO_ENVIRONMENT, flags: NANO_FLAGS }
    : { environment: NODE_ENVIRONMENT, flags: NODE_FLAGS }
}

/**
 * The profile that a node is going to have: flag over environment over configuration file, as the command line reads it later. Only what
 * has to be known before the process starts is read here; what is wrong is said there.
 *
 * @param {readonly string[]} args
 * @param {Readonly<Record<string, string | undefined>>} env
 * @param {(path: string) => string | undefined} readText
 * @returns {string | undefined}
 */
export function profileOf(args, env, readText) {
  /** @param {string} name */
  const flag = (name) => {
    const at = args.findLastIndex((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`))
    return at === -1 ? undefined : args[at]?.includes('=') ? args[at]?.slice(name.length + 3) : args[at + 1]
  }
  const told = flag('profile') ?? env['SEALSYNC_NODE_PROFILE']
  if (told !== undefined) return told
  const dataDir = flag('data-dir') ?? env['SEALSYNC_DATA_DIR']
  const file =
    flag('config') ?? env['SEALSYNC_CONFIG'] ?? (dataDir === undefined ? undefined : `${dataDir}/config.toml`)
  const text = file === undefined ? undefined : readText(file)
  return text === undefined ? undefined : /^\s*(?:node\.)?profile\s*=\s*["'](\w+)["']/m.exec(text)?.[1]
}
