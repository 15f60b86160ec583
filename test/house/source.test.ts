import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { problemsIn } from './fixture.ts'
import { checkSource } from './source.ts'

const PLANTED = [
  {
    name: 'src that imports by alias',
    file: 'src/store/one.ts',
    text: "import '#src/util/index.ts'\n",
    problem: 'src imports by relative path, not #src/util/index.ts'
  },
  {
    name: 'src that climbs three folders',
    file: 'src/exchange/client/one.ts',
    text: "import '../../../cmd/one.ts'\n",
    problem: 'at most ../.. in src, not ../../../cmd/one.ts'
  },
  {
    name: 'a test that imports src by relative path',
    file: 'test/unit/one.test.ts',
    text: "import '../../src/util/index.ts'\n",
    problem: 'tests and cmd import #src/…, not ../../src/util/index.ts'
  },
  {
    name: 'a barrel within a room',
    file: 'src/store/segment/index.ts',
    text: "export { one } from './one.ts'\n",
    problem: "only a room's index.ts passes on what other files export, here ./one.ts"
  },
  {
    name: 'a door that passes on everything',
    file: 'src/store/index.ts',
    text: "export * from './one.ts'\n",
    problem: 'exports are named, not export * from ./one.ts'
  },
  {
    name: 'an import that is computed',
    file: 'src/node/one.ts',
    text: 'export const one = (name: string): Promise<unknown> => import(name)\n',
    problem: 'import() takes a literal, so that layers and dead code can be seen'
  },
  {
    name: 'a loop over a stream of libp2p',
    file: 'src/p2p/one.ts',
    text: "import type { Stream } from '@libp2p/interface'\nexport async function one(stream: Stream): Promise<void> {\n  for await (const _ of stream);\n}\n",
    problem: 'no for await beside libp2p: its streams are read by events'
  }
]

describe('planted violations of the rules on source files', () => {
  for (const { name, file, text, problem } of PLANTED) {
    it(`${name} fails`, async () => {
      assert.deepEqual(await problemsIn(checkSource, { [file]: text }), [`${file}: ${problem}`])
    })
  }

  it('a tree that keeps the rules passes', async () => {
    assert.deepEqual(
      await problemsIn(checkSource, {
        'src/store/index.ts': "export { one } from './one.ts'\n",
        'src/store/one.ts': "export const one = async (): Promise<unknown> => import('../../package.json')\n",
        'src/feed/one.ts': 'export async function one(): Promise<void> {\n  for await (const _ of []);\n}\n',
        'test/unit/one.test.ts': "import '#src/store/index.ts'\n"
      }),
      []
    )
  })
})
