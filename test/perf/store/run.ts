// One run of a benchmark of the store in a process of its own: `run.ts NAME JSON` prints one line of JSON with its figures.
import { flat } from './flat.ts'
import { fillStore, openOnce } from './open.ts'
import { prepareShed, shed } from './shed.ts'
import { space } from './space.ts'
import { contend } from './put.ts'

const RUNS = { flat, fillStore, openOnce, prepareShed, shed, space, contend } as const

const [name = '', settings = '{}'] = process.argv.slice(2)
if (!Object.hasOwn(RUNS, name)) throw new Error(`no run '${name}'`)
const run = RUNS[name as keyof typeof RUNS] as (given: unknown) => Promise<unknown>
process.stdout.write(`${JSON.stringify(await run(JSON.parse(settings)))}\n`)
