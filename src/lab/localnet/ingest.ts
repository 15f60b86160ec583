import { AdminClient } from '../../api/index.ts'
import { systemClock } from '../../util/index.ts'
import type { Ingest } from './feeder.ts'
import type { NodeProcess } from './node-process.ts'

/** Posts a block's CAR to the admin socket of an execution node. */
export function adminIngest(): Ingest {
  const clients = new WeakMap<NodeProcess, AdminClient>()
  return async (node, block, { signal }) => {
    const client = clients.get(node) ?? (await AdminClient.connect(node.plan.dataDir, { clock: systemClock }))
    clients.set(node, client)
    const { height, blockId, executionDataId } = block
    await client.postStream('/ingest', onePiece(block.car), { signal, query: { height, blockId, executionDataId } })
  }
}

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
