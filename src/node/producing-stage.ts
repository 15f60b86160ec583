import type { NodeContext } from './context.ts'
import type { JobParts } from './following-stage.ts'
import type { NodeJob } from './job.ts'
export async function createProducing(_context: NodeContext, _parts: JobParts): Promise<NodeJob> {
  throw new Error('x')
}
