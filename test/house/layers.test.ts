import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Files, problemsIn } from './fixture.ts'
import { checkLayers } from './layers.ts'

/** A small house that keeps every rule. */
const HOUSE: Files = {
  'bin/sealsync.mjs': "await import('../cmd/main.ts')\n",
  'cmd/main.ts': "import { node } from '#src/node/index.ts'\nexport const main = node\n",
  'src/model/index.ts': "export type { Blob } from './blob.ts'\n",
  'src/model/blob.ts': 'export interface Blob {\n  readonly bytes: Uint8Array\n}\n',
  'src/log/logger.ts': 'export interface Logger {\n  readonly name: string\n}\n',
  'src/store/index.ts': "import { Level } from 'level'\nexport const store = Level\n",
  'src/store/blockstore.ts': "import type { Blob } from '../model/index.ts'\nexport type Blockstore = Blob\n",
  'src/store/metrics.ts': "import { Counter } from 'prom-client'\nexport const counter = Counter\n",
  'src/p2p/index.ts': "import { createLibp2p } from 'libp2p'\nexport const host = createLibp2p\n",
  'src/p2p/routing/dht.ts': "export const dht = (): Promise<unknown> => import('@libp2p/kad-dht')\n",
  'src/exchange/index.ts': 'export const exchange = 1\n',
  'src/exchange/network/network.ts': "import type { Stream } from '@libp2p/interface'\nexport type Wire = Stream\n",
  'src/requester/index.ts':
    "import type { Registry } from 'prom-client'\nimport type { Logger } from '../log/logger.ts'\nimport type { Blockstore } from '../store/blockstore.ts'\nexport type Requester = Registry | Logger | Blockstore\n",
  'src/node/index.ts':
    "import { host } from '../p2p/index.ts'\nimport { store } from '../store/index.ts'\nexport const node = [host, store]\n",
  'test/unit/one.test.ts':
    "import '#cmd/main.ts'\nimport '#src/model/blob.ts'\nimport { test } from 'node:test'\nvoid test\n"
}

interface Planted {
  readonly name: string
  readonly files: Files
  readonly problem: RegExp
}

const PLANTED: readonly Planted[] = [
  {
    name: 'a room that looks up',
    files: {
      'src/model/blob.ts': "import type { Requester } from '../requester/index.ts'\nexport type Blob = Requester\n"
    },
    problem: /^src\/model\/blob\.ts → src\/requester\/index\.ts: room-model/
  },
  {
    name: 'a room that looks at its sibling',
    files: { 'src/feed/one.ts': "import { host } from '../p2p/index.ts'\nexport const one = host\n" },
    problem: /^src\/feed\/one\.ts → src\/p2p\/index\.ts: room-feed/
  },
  {
    name: 'a sibling seen through its port',
    files: {
      'src/p2p/one.ts': "import type { Blockstore } from '../store/blockstore.ts'\nexport type One = Blockstore\n"
    },
    problem: /^src\/p2p\/one\.ts → src\/store\/blockstore\.ts: room-p2p/
  },
  {
    name: 'a room entered beside its door',
    files: { 'src/requester/one.ts': "import { counter } from '../store/metrics.ts'\nexport const one = counter\n" },
    problem: /^src\/requester\/one\.ts → src\/store\/metrics\.ts: room-requester/
  },
  {
    name: 'a command that enters a room beside its door',
    files: { 'cmd/one.ts': "import { counter } from '#src/store/metrics.ts'\nexport const one = counter\n" },
    problem: /^cmd\/one\.ts → src\/store\/metrics\.ts: room-cmd/
  },
  {
    name: 'product code that imports a test',
    files: {
      'test/support/one.ts': 'export const one = 1\n',
      'src/lab/one.ts': "export { one } from '../../test/support/one.ts'\n"
    },
    problem: /^src\/lab\/one\.ts → test\/support\/one\.ts: room-lab/
  },
  {
    name: 'the lab seen from below',
    files: {
      'src/lab/index.ts': 'export const lab = 1\n',
      'src/node/one.ts': "export { lab } from '../lab/index.ts'\n"
    },
    problem: /^src\/node\/one\.ts → src\/lab\/index\.ts: room-node/
  },
  {
    name: 'a room that the house does not have',
    files: { 'src/misc/one.ts': 'export const one = 1\n' },
    problem: /^src\/misc: not a room/
  },
  {
    name: 'a port that is more than types over the model',
    files: { 'src/store/blockstore.ts': "import { counter } from './metrics.ts'\nexport const one = counter\n" },
    problem: /^src\/store\/blockstore\.ts → src\/store\/metrics\.ts: port-is-pure/
  },
  {
    name: 'a cycle',
    files: {
      'src/util/one.ts': "import { two } from './two.ts'\nexport const one = (): number => two()\n",
      'src/util/two.ts': "import { one } from './one.ts'\nexport const two = (): number => one()\n"
    },
    problem: /^src\/util\/one\.ts → .*: no-cycle/
  },
  {
    name: 'a cycle of types alone',
    files: {
      'src/util/one.ts': "import type { Two } from './two.ts'\nexport interface One {\n  readonly two?: Two\n}\n",
      'src/util/two.ts': "import type { One } from './one.ts'\nexport interface Two {\n  readonly one?: One\n}\n"
    },
    problem: /^src\/util\/one\.ts → .*: no-cycle/
  },
  {
    name: "the exchange's client at its server",
    files: {
      'src/exchange/client/one.ts': "import { two } from '../server/two.ts'\nexport const one = two\n",
      'src/exchange/server/two.ts': 'export const two = 2\n'
    },
    problem: /^src\/exchange\/client\/one\.ts → src\/exchange\/server\/two\.ts: exchange-client-server/
  },
  {
    name: "the exchange's server at its client",
    files: {
      'src/exchange/client/one.ts': 'export const one = 1\n',
      'src/exchange/server/two.ts': "import { one } from '../client/one.ts'\nexport const two = one\n"
    },
    problem: /^src\/exchange\/server\/two\.ts → src\/exchange\/client\/one\.ts: exchange-server-client/
  },
  {
    name: 'libp2p outside its rooms, as a type',
    files: {
      'src/exchange/client/one.ts': "import type { Stream } from '@libp2p/interface'\nexport type One = Stream\n"
    },
    problem: /^src\/exchange\/client\/one\.ts → .*@libp2p\/interface.*: libp2p-only-in-p2p/
  },
  {
    name: 'the database outside the store',
    files: { 'src/tracker/one.ts': "import { Level } from 'level'\nexport const one = Level\n" },
    problem: /^src\/tracker\/one\.ts → .*level.*: database-only-in-store/
  },
  {
    name: 'a cache outside the store',
    files: { 'src/execution-data/one.ts': "import { LRUCache } from 'lru-cache'\nexport const one = LRUCache\n" },
    problem: /^src\/execution-data\/one\.ts → .*lru-cache.*: database-only-in-store/
  },
  {
    name: 'pino outside log',
    files: { 'src/node/one.ts': "import { pino } from 'pino'\nexport const one = pino\n" },
    problem: /^src\/node\/one\.ts → .*pino.*: pino-only-in-log/
  },
  {
    name: 'a metric constructed outside a metrics file',
    files: { 'src/store/one.ts': "import { Counter } from 'prom-client'\nexport const one = Counter\n" },
    problem: /^src\/store\/one\.ts → .*prom-client.*: metrics-in-metrics/
  },
  {
    name: 'the DHT in a second file',
    files: { 'src/p2p/routing/two.ts': "export const two = (): Promise<unknown> => import('@libp2p/kad-dht')\n" },
    problem: /^@libp2p\/kad-dht is imported by more than one file/
  },
  {
    name: 'the DHT loaded at once',
    files: { 'src/p2p/routing/dht.ts': "import { kadDHT } from '@libp2p/kad-dht'\nexport const dht = kadDHT\n" },
    problem: /^src\/p2p\/routing\/dht\.ts: @libp2p\/kad-dht is loaded by dynamic import only/
  },
  {
    name: 'an import that leads nowhere',
    files: { 'src/util/one.ts': "export { two } from './two.ts'\n" },
    problem: /^src\/util\/one\.ts → \.\/two\.ts: resolves/
  },
  {
    name: 'a development dependency in product code',
    files: { 'src/util/one.ts': "import fc from 'fast-check'\nexport const one = fc\n" },
    problem: /^src\/util\/one\.ts → .*fast-check.*: no-dev-dependency/
  },
  {
    name: 'a package that package.json does not name',
    files: { 'src/util/one.ts': "import split from 'split2'\nexport const one = split\n" },
    problem: /^src\/util\/one\.ts → .*split2.*: declared-dependency/
  },
  {
    name: 'a type that is imported in line, which the cruiser cannot follow',
    files: { 'src/model/two.ts': "export type Two = readonly import('../p2p/index.ts').Host[]\n" },
    problem: /^src\/model\/two\.ts: the cruiser does not see its import of \.\.\/p2p\/index\.ts/
  }
]

describe('planted violations of the layers', () => {
  it('a house that keeps the rules passes', async () => {
    assert.deepEqual(await problemsIn(checkLayers, HOUSE), [])
  })

  for (const { name, files, problem } of PLANTED) {
    it(`${name} fails`, async () => {
      const problems = await problemsIn(checkLayers, { ...HOUSE, ...files })
      assert.ok(
        problems.some((text) => problem.test(text)),
        `${problem} in ${JSON.stringify(problems, null, 1)}`
      )
    })
  }

  it('a using declaration is read', async () => {
    const text =
      "import { store } from '../store/index.ts'\nexport function one(): void {\n  using two = store as unknown as Disposable\n  void two\n}\n"
    const problems = await problemsIn(checkLayers, { ...HOUSE, 'src/feed/one.ts': text })
    assert.deepEqual(
      problems.map((problem) => problem.split(',')[0]),
      ['src/feed/one.ts → src/store/index.ts: room-feed']
    )
  })

  it('a tree of which the cruiser reads nothing fails', async () => {
    const problems = await problemsIn(checkLayers, { 'src/.keep': '' })
    assert.ok(problems.includes('the cruiser read no module'))
  })
})
