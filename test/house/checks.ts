import { checkDeadCode } from './dead-code.ts'
import { checkFormat } from './format.ts'
import { checkHygiene } from './hygiene.ts'
import { checkLayers } from './layers.ts'
import { checkLint } from './lint.ts'
import { checkSource } from './source.ts'
import type { Check, CheckResult } from './tool.ts'
import { checkTypes } from './types.ts'

const CHECKS: Readonly<Record<string, Check>> = {
  types: checkTypes,
  lint: checkLint,
  format: checkFormat,
  layers: checkLayers,
  source: checkSource,
  'dead code': checkDeadCode,
  hygiene: checkHygiene
}

/** Runs all checks side by side and prints one line for each, then what the failed ones found. True when all passed. */
export async function runChecks(root: string): Promise<boolean> {
  const ended = await Promise.all(
    Object.entries(CHECKS).map(async ([name, check]) => {
      const started = performance.now()
      const result = await check(root).catch(thrown)
      return { name, ...result, seconds: (performance.now() - started) / 1000 }
    })
  )
  for (const { name, summary, problems, seconds } of ended) {
    const verdict = problems.length === 0 ? 'ok  ' : 'FAIL'
    const count = problems.length === 0 ? '' : `, ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`
    process.stdout.write(`${verdict} ${name.padEnd(10)} ${seconds.toFixed(1).padStart(5)} s  ${summary}${count}\n`)
  }
  for (const { name, problems } of ended) {
    if (problems.length > 0) process.stdout.write(`\n${name}:\n${problems.map((text) => `  ${text}\n`).join('')}`)
  }
  return ended.every(({ problems }) => problems.length === 0)
}

function thrown(error: unknown): CheckResult {
  return { summary: 'did not run', problems: [error instanceof Error ? (error.stack ?? error.message) : String(error)] }
}
