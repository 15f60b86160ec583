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

type Fault = { readonly height: number; readonly what: string }

/**
 * Reads every block from the API of every node and compares the sha-256 of its CAR with that of the CAR that was given. One sentence for
 * each node that does not hold all of them; empty when all do. Throws the signal's reason.
 */
export async function verifyBlocks(
  components: VerdictComponents,
  nodes: readonly NodeProcess[],
  options: {
    readonly fed: readonly FedBlock[]
    readonly signal: AbortSignal
    readonly onProgress: (share: number) => void
  }
): Promise<string[]> {
  const faults = new Map<NodeProcess, Fault[]>(nodes.map((node) => [node, []]))
  const total = nodes.length * options.fed.length
  let next = 0
  const worker = async (): Promise<void> => {
    for (let at = next++; at < total; at = next++) {
      options.signal.throwIfAborted()
      const node = nodes[at % nodes.length]
      const block = options.fed[Math.floor(at / nodes.length)]
      if (node === undefined || block === undefined) return
      const fault = await verifyBlock({ ...components, signal: options.signal }, node, block)
      if (fault !== undefined) faults.get(node)?.push(fault)
      options.onProgress((at + 1) / total)
    }
  }
  await Promise.all(Array.from({ length: READS_AT_ONCE }, worker))
  return [...faults]
    .filter(([, list]) => list.length > 0)
    .map(([node, list]) => describe(node.plan.name, list, options.fed.length))
}

async function verifyBlock(
  { clock, http, signal }: VerdictComponents & { readonly signal: AbortSignal },
  node: NodeProcess,
  block: FedBlock
): Promise<Fault | undefined> {
  const url = `http://${node.addresses?.api}/v1/execution-data/${block.height}?format=car`
  try {
    const digest = await withDeadline(clock, { ms: READ_LIMIT_MS, signal }, (until) =>
      http.sha256(url, { signal: until })
    )
    return digest === block.carSha256 ? undefined : { height: block.height, what: 'other bytes than were given' }
  } catch (error) {
    signal.throwIfAborted()
    return { height: block.height, what: messageOf(error) }
  }
}

function describe(name: string, faults: readonly Fault[], blocks: number): string {
  const named = faults.slice(0, NAMED_FAULTS).map(({ height, what }) => `height ${height}: ${what}`)
  const rest = faults.length > NAMED_FAULTS ? `; and ${faults.length - NAMED_FAULTS} more` : ''
  return `${name} lacks ${faults.length} of ${blocks} blocks (${named.join('; ')}${rest})`
}
