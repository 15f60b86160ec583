// `npm run test:dashboards`: every query of every dashboard against a real Prometheus that scrapes running networks, and the alerts by
// promtool. Without Prometheus it says what it left out.
import { underProjectNode } from '../../build/project-node.mjs'

await underProjectNode(async () => {
  const { main } = await import('./main.ts')
  process.exitCode = await main()
})
