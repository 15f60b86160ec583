#!/usr/bin/env node
// `npm run test:crash:sim [-- --cuts N] [--seed S]`: the blob store on a simulated disk, its power cut at random moments.
import { underProjectNode } from '../../build/project-node.mjs'

await underProjectNode(async () => {
  const { main } = await import('./power-cuts.ts')
  process.exitCode = await main(process.argv.slice(2))
})
