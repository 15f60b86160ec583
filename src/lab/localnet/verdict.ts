import type { Clock } from '../../util/index.ts'
import { messageOf } from '../../util/index.ts'
import { withDeadline } from './deadline.ts'
import type { FedBlock } from './feeder.ts'
import type { LabHttp } from './http.ts'
import type { NodeProcess } from './node-process.ts'

/** Blocks being read at one time, over all nodes: two cores hash no more. */
const READS_AT_ONCE = 4
const READ_LIMIT_MS = 30_000
/** So many faults of one node are named one by one; the rest are counted. */
const NAMED_FAULTS = 3

export interface VerdictComponents {
  readonly clock: Clock
  readonly http: LabHttp
}

interface Fault {
  readonly height: number
  readonly what: string
  /** Other bytes than were given, and not just no answer. */
  readonly wrong: boolean
}

/** One sentence for each node that gave other bytes than it got, and for each that does not hold all blocks. */
export interface BlockVerdict {
  readonly wrong: readonly string[]
  readonly lacking: readonly string[]
}

/**
 * Reads every block from the API of every node and compares the sha-256 of its CAR with that of the CAR that was given. What was not read
 * after `limitMs` counts as lacking. Throws the signal's reason.
 */
export async function verifyBlocks(
  components: VerdictComponents,
  nodes: readonly NodeProcess[],
  options: {
    readonly fed: readonly FedBlock[]
    readonly signal: AbortSignal
    readonly onProgress: (share: number) => void
    readonly limitMs?: number
  }
): Promise<BlockVerdict> {
  const faults = new Map<NodeProcess, Fault[]>(nodes.map((node) => [node, []]))
  const total = nodes.length * options.fed.length
  const until = components.clock.now() + (options.limitMs ?? Number.POSITIVE_INFINITY)
  let next = 0
  const worker = async (): Promise<void> => {
    for (let at = next++; at < total; at = next++) {
      options.signal.throwIfAborted()
      const node = nodes[at % nodes.length]
      const block = options.fed[Math.floor(at / nodes.length)]
      if (node === undefined || block === undefined) return
      const ms = Math.min(READ_LIMIT_MS, until - components.clock.now())
      const fault =
        ms <= 0
          ? { height: block.height, what: 'not read in time', wrong: false }
          : await verifyBlock({ ...components, signal: options.signal, ms }, node, block)
      if (fault !== undefined) faults.get(node)?.push(fault)
      options.onProgress((at + 1) / total)
    }
  }
  await Promise.all(Array.from({ length: READS_AT_ONCE }, worker))
  const said = (wrong: boolean, verb: string): string[] =>
    [...faults]
      .map(([node, list]) => [node, list.filter((fault) => fault.wrong === wrong)] as const)
      .filter(([, list]) => list.length > 0)
      .map(([node, list]) => `${node.plan.name} ${verb} ${describe(list, options.fed.length)}`)
  return { wrong: said(true, 'is wrong about'), lacking: said(false, 'lacks') }
}

async function verifyBlock(
  { clock, http, signal, ms }: VerdictComponents & { readonly signal: AbortSignal; readonly ms: number },
  node: NodeProcess,
  block: FedBlock
): Promise<Fault | undefined> {
  const url = `http://${node.addresses?.api}/v1/execution-data/${block.height}?format=car`
  try {
    const digest = await withDeadline(clock, { ms, signal }, (until) => http.sha256(url, { signal: until }))
    return digest === block.carSha256
      ? undefined
      : { height: block.height, what: 'other bytes than were given', wrong: true }
  } catch (error) {
    signal.throwIfAborted()
    return { height: block.height, what: messageOf(error), wrong: false }
  }
}

function describe(faults: readonly Fault[], blocks: number): string {
  const named = faults.slice(0, NAMED_FAULTS).map(({ height, what }) => `height ${height}: ${what}`)
  const rest = faults.length > NAMED_FAULTS ? `; and ${faults.length - NAMED_FAULTS} more` : ''
  return `${faults.length} of ${blocks} blocks (${named.join('; ')}${rest})`
}
