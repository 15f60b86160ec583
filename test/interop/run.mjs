// `npm run test:interop`: builds Go's peer, however long that takes, and runs the tests against it. Without Go the tests say what
// they leave out.
import { spawn } from 'node:child_process'
import { root, underProjectNode } from '../../build/project-node.mjs'

await underProjectNode(async () => {
  const child = spawn(
    process.execPath,
    ['test/run.mjs', 'test/e2e/interop-boxo.test.ts', 'test/e2e/interop-helia.test.ts', ...process.argv.slice(2)],
    {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, SEALSYNC_INTEROP: 'build' }
    }
  )
  const [code] = await new Promise((resolve) => child.once('exit', (...ended) => resolve(ended)))
  process.exitCode = code ?? 1
})
