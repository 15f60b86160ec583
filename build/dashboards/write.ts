import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../docs/source-facts.ts'
import { dashboardFiles } from './outputs.ts'

/** Writes `dashboards/` anew, a line a file. */
export async function writeDashboards(): Promise<void> {
  for (const [name, text] of await dashboardFiles()) {
    const path = join(root, name)
    const changed = !existsSync(path) || readFileSync(path, 'utf8') !== text
    mkdirSync(dirname(path), { recursive: true })
    if (changed) writeFileSync(path, text)
    process.stdout.write(`${changed ? 'written' : 'as it was'} ${name}\n`)
  }
}
