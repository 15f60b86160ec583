/** Requests of a given size, each aimed at one limit of a node's HTTP interface. */
import { get, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { sleep } from '../../util/index.ts'
import type { Attempt, Probe } from './bisect.ts'
import { chunksOf, type Stage } from './stage.ts'

/** Between two attempts, so that what was cut off has been seen to be gone. */
const PAUSE_MS = 100

const OK: Attempt = { kind: 'ok' }

/** `large`: height of a block of many MiB. */
export function apiProbesOf(stage: Stage, { large }: { readonly large: number }): Probe[] {
  const { client, target, signal, catalogue, clock, arena } = stage.parts
  const base = (): string => `http://${target.apiAddress}`
  const height = (): number => catalogue.heightAt(0) ?? 0
  const read = async (url: string, headers?: Record<string, string>): Promise<Attempt> => {
    await sleep(clock, PAUSE_MS, signal)
    const outcome = await client.read(url, { signal, ...(headers === undefined ? {} : { headers }) })
    return outcome.kind === 'ok' ? OK : outcome
  }
  const path = (): string => `/v1/execution-data/${height()}?format=json&pad=`
  return [
    {
      ...{ name: 'request target', unit: 'characters', low: 200, high: 8_000 },
      attempt: (value) => read(`${base()}${path()}${'a'.repeat(Math.max(0, value - path().length))}`)
    },
    {
      ...{ name: 'request headers', unit: 'bytes', low: 200, high: 32_000 },
      attempt: (value) => read(`${base()}${path()}`, { 'x-pad': 'a'.repeat(value) })
    },
    {
      ...{ name: 'blocks streamed at one time', unit: 'streams', low: 1, high: 64 },
      attempt: (value) => atOnce(stage, `${base()}/v1/execution-data/${large}?format=car`, value)
    },
    {
      ...{ name: 'connections of the API', unit: 'connections', low: 1, high: 512 },
      attempt: (value) => connections(stage, value)
    },
    ...(arena === undefined ? [] : [described(stage, read)])
  ]
}

/** Blocks of thousands of blobs take seconds to make: the limit is found to a dozen kilobytes of text. */
const CHUNKS_OF_STEP = 128

/** A description names each blob: some 100 bytes of text for each. A block of so many is made for every attempt. */
function described(stage: Stage, read: (url: string) => Promise<Attempt>): Probe {
  const { target } = stage.parts
  return {
    ...{ name: 'block that is described', unit: `${CHUNKS_OF_STEP} chunks`, low: 10, high: 14 },
    async attempt(steps) {
      await stage.push({ shape: chunksOf(steps * CHUNKS_OF_STEP, 64), blocks: 1 })
      return read(`http://${target.apiAddress}/v1/execution-data/${stage.arena.newest}?format=json`)
    }
  }
}

/** Readers that begin and do not go on. */
async function atOnce({ parts }: Stage, url: string, count: number): Promise<Attempt> {
  const { clock, signal } = parts
  const begun = await Promise.allSettled(
    Array.from(
      { length: count },
      () =>
        new Promise<IncomingMessage>((resolve, reject) => {
          get(url, { agent: false, signal }, resolve).on('error', reject)
        })
    )
  )
  const open = begun.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const refused = open.find(({ statusCode }) => statusCode !== 200)
  for (const response of open) response.destroy()
  await sleep(clock, PAUSE_MS * 3, signal)
  if (refused !== undefined) return { kind: 'rejected', by: `http-${refused.statusCode}` }
  return open.length === count ? OK : { kind: 'failed', by: 'connection-broken' }
}

/** So many connections stay open; the last one asks for something. */
async function connections({ parts }: Stage, count: number): Promise<Attempt> {
  const { clock, target, signal } = parts
  const [host = '', port = ''] = (target.apiAddress ?? '').split(/:(?=\d+$)/)
  const sockets: Socket[] = []
  try {
    for (let at = 0; at < count; at += 1) {
      const socket = connect({ host, port: Number(port) })
      sockets.push(socket)
      socket.on('error', () => socket.destroy())
      await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
    }
    const last = sockets.at(-1)
    if (last === undefined) return OK
    last.write(`GET /v1/blobs/none HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const answered = await new Promise<boolean>((resolve) => {
      last.once('data', () => resolve(true)).once('close', () => resolve(false))
      if (last.destroyed) resolve(false)
    })
    return answered ? OK : { kind: 'rejected', by: 'closed-at-once' }
  } finally {
    for (const socket of sockets) socket.destroy()
    await sleep(clock, PAUSE_MS * 3, signal)
  }
}
