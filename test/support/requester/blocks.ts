import { hash } from 'node:crypto'
import { BlobCid, type BlockId, type ExecutionDataId, type Height, type SealedBlock } from '#src/model/index.ts'

const digest = (text: string): string => hash('sha256', text, 'hex')

/** A block of a made-up chain; another `fork` gives another block at the same height. */
export function blockAt(height: Height, extra: Partial<SealedBlock> & { readonly fork?: string } = {}): SealedBlock {
  const { fork = '', ...rest } = extra
  return {
    height,
    blockId: digest(`block ${height}`) as BlockId,
    executionDataId: digest(`data ${height} ${fork}`) as ExecutionDataId,
    ...rest
  }
}

/** CIDs of a made-up tree, root first. */
export function cidsOf(block: SealedBlock, count = 3): BlobCid[] {
  const root = BlobCid.fromExecutionDataId(block.executionDataId)
  const rest = Array.from({ length: count - 1 }, (_, at) =>
    BlobCid.fromExecutionDataId(digest(`${block.executionDataId} ${at}`) as ExecutionDataId)
  )
  return [root, ...rest]
}
