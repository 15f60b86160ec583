// `npm run docs`: writes the generated blocks of `docs/` anew from the sources, and `dashboards/`, whose panels quote the metrics' help.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeDashboards } from '../dashboards/write.ts'
import { pagesAsTheyAre, pagesAsTheyShouldBe } from './pages.ts'
import { root } from './source-facts.ts'

const before = pagesAsTheyAre()
const after = await pagesAsTheyShouldBe(before)
for (const [at, { name, text }] of after.entries()) {
  const changed = text !== before[at]?.text
  if (changed) writeFileSync(join(root, name), text)
  process.stdout.write(`${changed ? 'written' : 'as it was'} ${name}\n`)
}
await writeDashboards()
