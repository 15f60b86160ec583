import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NodeIdentity } from '#src/model/index.ts'
import { freePort, lastJson, RunningNode, sealsync } from '#test/support/node/cli.ts'
import type { Figures } from '../harness/report.ts'
import { heightId, pause } from './stack.ts'

/** The part of the status that is read. */
interface NodeBlobs {
  readonly blobs: { readonly count: number }
}

const POLL_MS = 10
const LIMIT_MS = 120_000

/** Makes a node of a filled store: a key, an entry in an identity table of its own, a feed that ends with the last block it has. */
export async function adopt(dataDir: string, blocks: number): Promise<string[]> {
  const address = `127.0.0.1:${await freePort()}`
  const init = ['init', '--data-dir', dataDir, '--role', 'access', '--address', address, '--json']
  const entry = lastJson<NodeIdentity>(await sealsync(init))
  const identities = join(dataDir, 'identities.json')
  await writeFile(identities, JSON.stringify([entry]))
  const feed = join(dataDir, 'feed.jsonl')
  const id = heightId(blocks)
  await writeFile(feed, `${JSON.stringify({ height: blocks, blockId: id, executionDataId: id })}\n`)
  return ['--identities', identities, '--p2p-address', address, '--feed', `file:${feed}`, '--start-height', '1']
}

/** Starts a node until it is ready: ms from the start of its process. */
export async function readyOnce(dataDir: string, args: readonly string[]): Promise<Figures> {
  const metrics = `127.0.0.1:${await freePort()}`
  const listeners = ['--metrics-address', metrics, '--api-address', '127.0.0.1:0', '--log-format', 'json']
  const began = performance.now()
  const node = new RunningNode(dataDir, [...listeners, ...args])
  try {
    let answeredMs: number | undefined
    for (;;) {
      const answer = await fetch(`http://${metrics}/readyz`).catch(() => undefined)
      const ms = performance.now() - began
      if (answer !== undefined) answeredMs ??= ms
      if (answer?.ok === true) {
        const { blobs } = (await (await fetch(`http://${metrics}/v1/status`)).json()) as NodeBlobs
        return { readyMs: ms, answeredMs: answeredMs ?? ms, blobs: blobs.count }
      }
      if (node.exitCode !== null || ms > LIMIT_MS) throw new Error(`the node did not become ready\n${node.output}`)
      await pause(POLL_MS)
    }
  } finally {
    await node.stop()
  }
}
