// `npm run check`: everything that can be said about the code without running it. One line a check; exit code 1 when one fails.
import { root, underProjectNode } from '../../build/project-node.mjs'

await underProjectNode(async () => {
  const { runChecks } = await import('./checks.ts')
  process.exitCode = (await runChecks(root)) ? 0 : 1
})
