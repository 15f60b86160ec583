// Fetches blobs over HTTP at 50 MB/s: `shed-client.ts URL`, with their CIDs as JSON on stdin. Prints `MS BYTES WRONG` for each.
import { Agent, get } from 'node:http'
import { text } from 'node:stream/consumers'
import { blobOf } from '#src/model/index.ts'

const BYTES_PER_MS = 50_000
const BYTES = 1_048_576

const [url = ''] = process.argv.slice(2)
const cids = JSON.parse(await text(process.stdin)) as readonly string[]
const agent = new Agent({ keepAlive: true, maxSockets: 64 })

function fetchOne(cid: string): void {
  const began = performance.now()
  const say = (bytes: number, wrong: number): void =>
    void process.stdout.write(`${(performance.now() - began).toFixed(3)} ${bytes} ${wrong}\n`)
  get(`${url}/v1/blobs/${cid}`, { agent }, (response) => {
    const parts: Buffer[] = []
    response.on('data', (part: Buffer) => parts.push(part))
    response.on('end', () => {
      const bytes = Buffer.concat(parts)
      say(bytes.length, String(blobOf(bytes).cid) === cid ? 0 : 1)
    })
  }).on('error', () => say(0, 1))
}

let due = performance.now()
const tick = (): void => {
  const now = performance.now()
  // At its rate however long an answer takes, so that a slow one is not excused by asking less.
  for (; due <= now; due += BYTES / BYTES_PER_MS) fetchOne(cids[Math.floor(Math.random() * cids.length)] ?? '')
  setTimeout(tick, Math.max(0, due - now))
}
tick()
