import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FedBlock } from '#src/lab/localnet/feeder.ts'
import type { LabHttp } from '#src/lab/localnet/http.ts'
import type { NodeProcess } from '#src/lab/localnet/node-process.ts'
import { verifyBlocks } from '#src/lab/localnet/verdict.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const node = (name: string): NodeProcess => ({ plan: { name }, addresses: { api: name } }) as unknown as NodeProcess
const fed = [1, 2, 3].map((height) => ({ height, carSha256: `sha-${height}` }) as unknown as FedBlock)

test('nodes that answer are told from those that lie and those that say nothing, and the time for it has an end', async () => {
  const clock = new VirtualClock()
  const http = {
    sha256: (url: string, { signal }: { readonly signal: AbortSignal }): Promise<string> => {
      const height = Number(/(\d+)\?/.exec(url)?.[1])
      if (url.includes('//good/')) return Promise.resolve(`sha-${height}`)
      if (url.includes('//liar/')) return Promise.resolve(height === 2 ? 'other' : `sha-${height}`)
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('no answer'))))
    }
  } as unknown as LabHttp
  const signal = new AbortController().signal
  const verdict = verifyBlocks({ clock, http }, [node('good'), node('liar'), node('mute')], {
    fed,
    signal,
    limitMs: 45_000,
    onProgress: () => {}
  })
  await clock.run(46_000)
  assert.deepEqual(await verdict, {
    wrong: ['liar is wrong about 1 of 3 blocks (height 2: other bytes than were given)'],
    lacking: ['mute lacks 3 of 3 blocks (height 1: no answer; height 2: no answer; height 3: no answer)']
  })
})

test('what is not read when the time is over counts as lacking', async () => {
  const clock = new VirtualClock()
  const http = {
    sha256: (_: string, { signal }: { readonly signal: AbortSignal }): Promise<string> =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('no answer'))))
  } as unknown as LabHttp
  const many = Array.from({ length: 12 }, (_, at) => ({ height: at, carSha256: '' }) as unknown as FedBlock)
  const verdict = verifyBlocks({ clock, http }, [node('mute')], {
    fed: many,
    signal: new AbortController().signal,
    limitMs: 45_000,
    onProgress: () => {}
  })
  await clock.run(60_000)
  assert.deepEqual(await verdict, {
    wrong: [],
    lacking: ['mute lacks 12 of 12 blocks (height 0: no answer; height 1: no answer; height 2: no answer; and 9 more)']
  })
  assert.ok(clock.now() >= 45_000)
})
