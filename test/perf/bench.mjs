#!/usr/bin/env node
// `npm run bench -- NAME [--json] [flags]`; without a name, the list of benchmarks.
import { underProjectNode } from '../../build/project-node.mjs'

await underProjectNode(async () => {
  // Before libp2p is loaded: one benchmark plays the peers of a node in this process.
  await import('../../src/p2p/identity-keys/register.ts')
  const { main } = await import('./main.ts')
  process.exitCode = await main(process.argv.slice(2))
})
