import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { table } from '../../build/docs/markdown.ts'
import { type Page, pagesAsTheyAre, pagesAsTheyShouldBe } from '../../build/docs/pages.ts'

async function stalePages(pages: readonly Page[]): Promise<string[]> {
  const fresh = await pagesAsTheyShouldBe(pages)
  return fresh.filter(({ text }, at) => text !== pages[at]?.text).map(({ name }) => name)
}

describe('the generated parts of docs/', () => {
  it('are what the sources would have them now', async () => {
    const stale = await stalePages(pagesAsTheyAre())
    assert.deepEqual(stale, [], `not what the sources say, run npm run docs: ${stale.join(', ')}`)
  })

  for (const [what, from, to] of [
    ['a default in a table', '`20s`', '`21s`'],
    ['a metric', 'sealsync_build_info', 'sealsync_build_data'],
    ['a default in the prose', '-->5m<!--', '-->6m<!--']
  ] as const) {
    it(`are found stale when ${what} differs`, async () => {
      const pages = pagesAsTheyAre()
      const changed = pages.map(({ name, text }) => ({ name, text: text.replaceAll(from, to) }))
      assert.ok(
        changed.some(({ text }, at) => text !== pages[at]?.text),
        `${from} stands nowhere`
      )
      assert.notDeepEqual(await stalePages(changed), [])
    })
  }

  it('refuse a block that nobody makes', async () => {
    const page = { name: 'docs/one.md', text: '<!-- generated: nothing -->\n<!-- end of nothing -->\n' }
    await assert.rejects(pagesAsTheyShouldBe([page]), /nothing generates the block 'nothing'/)
  })

  it('refuse a default that nothing has', async () => {
    const page = { name: 'docs/one.md', text: '<!-- default: requester.nothing -->1<!-- /default -->' }
    await assert.rejects(pagesAsTheyShouldBe([page]), /no numeric option requester\.nothing/)
  })

  it('keep a pipe within its cell', () => {
    assert.equal(table(['a'], [['x|y\n z']]), '| a |\n|---|\n| x\\|y z |')
  })
})
