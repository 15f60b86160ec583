#!/usr/bin/env node
// `npm run test:crash [-- --rounds N] [--seed S]`: the store's real process on the real disk, killed with SIGKILL at random moments.
import { underProjectNode } from '../../build/project-node.mjs'

await underProjectNode(async () => {
  const { main } = await import('./kills.ts')
  process.exitCode = await main(process.argv.slice(2))
})
