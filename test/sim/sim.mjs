#!/usr/bin/env node
// `npm run sim -- [--seed S] [--minutes M]`: random faults; `npm run sim -- --scenario NAME [flags] [--json]`: one scenario.
import { underProjectNode } from '../../build/project-node.mjs'

await underProjectNode(async () => {
  const { main } = await import('./runner/main.ts')
  process.exitCode = await main(process.argv.slice(2))
})
