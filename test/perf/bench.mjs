#!/usr/bin/env node
// `npm run bench -- NAME [--json] [flags]`; without a name, the list of benchmarks.
import { underProjectNode } from '../../build/project-node.mjs'

await underProjectNode(async () => {
  const { main } = await import('./main.ts')
  process.exitCode = await main(process.argv.slice(2))
})
