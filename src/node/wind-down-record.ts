import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { WindDownRecord } from '../pruner/index.ts'
import { DataDirectory, replaceFile } from '../store/index.ts'
import { codeOf, messageOf } from '../util/index.ts'
import { RESERVE_NAME } from './disk-watch.ts'
import { NodeError } from './errors.ts'

const RECORD_NAME = 'wind-down.json'
/** A record has some hundred bytes; more than this is not one. */
const MAX_RECORD_BYTES = 65_536
/** What a node makes in its data directory; anything else there is not its own and stays. */
const OWN = [
  'blobs',
  'db',
  'keys',
  'VERSION',
  'LOCK',
  'config.toml',
  'addresses.json',
  'admin.json',
  'admin.sock',
  RESERVE_NAME
]

/** The record in a data directory; `undefined` when no wind-down was ever ordered. Throws NodeError `config` when it cannot be read. */
export async function readWindDown(dataDir: string): Promise<WindDownRecord | undefined> {
  const path = join(dataDir, RECORD_NAME)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    // Of a file in the place of the directory there is none either.
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new NodeError('config', `cannot read ${path}: ${messageOf(error)}`, { cause: error })
  }
  const record = text.length > MAX_RECORD_BYTES ? undefined : parse(text)
  if (record?.schema === 'sealsync.wind-down/1') return record
  throw new NodeError(
    'config',
    `${path} is not the record of a wind-down: look at it, and delete it if the node is to stay`
  )
}

export function saveWindDown(dataDir: string, record: WindDownRecord): Promise<void> {
  return replaceFile(dataDir, RECORD_NAME, `${JSON.stringify(record, null, 2)}\n`)
}

/** Throws NodeError `wound-down` for a directory whose node is gone, with its record left behind. */
export async function assertNotWoundDown(dataDir: string): Promise<void> {
  refuseWoundDown(dataDir, await readWindDown(dataDir))
}

function refuseWoundDown(dataDir: string, record: WindDownRecord | undefined): void {
  if (record === undefined || record.below !== null || record.state !== 'done') return
  throw new NodeError(
    'wound-down',
    `the node of ${dataDir} was wound down: ${join(dataDir, RECORD_NAME)} says what it did; another node needs another --data-dir`
  )
}

/**
 * The last step: takes away what is left of a node that has shed everything, the record excepted. Does nothing, and gives false, where that
 * was not reached. Throws NodeError `wound-down` for a directory whose node is gone already.
 */
export async function endWindDown(dataDir: string): Promise<boolean> {
  const record = await readWindDown(dataDir)
  if (record === undefined || record.below !== null) return false
  refuseWoundDown(dataDir, record)
  if (record.state !== 'shed') return false
  // Nobody else may be at work in there.
  await (await DataDirectory.open(dataDir)).close()
  await removeShed(dataDir, record)
  return true
}

/** Called when nothing is open in the directory any more. */
export async function removeShed(dataDir: string, record: WindDownRecord): Promise<void> {
  for (const name of OWN) await rm(join(dataDir, name), { recursive: true, force: true })
  await saveWindDown(dataDir, { ...record, state: 'done' })
}

function parse(text: string): WindDownRecord | undefined {
  try {
    return JSON.parse(text) as WindDownRecord
  } catch {
    return undefined
  }
}
