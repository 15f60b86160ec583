import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { after, describe, it } from 'node:test'
import { carFiles } from '#src/node/car-files.ts'
import { temporaryDirectory } from '#test/support/node/cli.ts'

describe('CAR files of a folder', () => {
  const home = temporaryDirectory()
  after(() => home.remove())
  const put = (...parts: string[]): void => {
    const path = join(home.path, ...parts)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, '')
  }
  const found = async (...parts: string[]): Promise<string[]> => {
    const paths: string[] = []
    for await (const path of carFiles(join(home.path, ...parts))) paths.push(relative(home.path, path))
    return paths
  }
  const levels = (count: number): string[] => Array.from({ length: count }, (_, level) => `d${level}`)

  it('are those of its folders too, in order of the names, whatever the order they were made in', async () => {
    for (const name of [
      'c.car',
      'a.car',
      'notes.txt',
      'b/2.car',
      'b/1.car',
      'b/z/0.car',
      'a.car.part',
      'd.car/x.car'
    ]) {
      put('tree', ...name.split('/'))
    }
    const expected = ['a.car', 'b/1.car', 'b/2.car', 'b/z/0.car', 'c.car', 'd.car/x.car']
    assert.deepEqual(
      await found('tree'),
      expected.map((name) => join('tree', name))
    )
    assert.deepEqual(await found('tree', 'notes.txt'), [join('tree', 'notes.txt')])
  })

  it('are no links: not out of the folder, not back up into it', async () => {
    put('outside', 'foreign.car')
    put('linked', 'own.car')
    symlinkSync(join(home.path, 'outside'), join(home.path, 'linked', 'folder'))
    symlinkSync(join(home.path, 'linked'), join(home.path, 'linked', 'loop'))
    symlinkSync(join(home.path, 'outside', 'foreign.car'), join(home.path, 'linked', 'link.car'))
    assert.deepEqual(await found('linked'), [join('linked', 'own.car')])
    assert.deepEqual(
      await found('linked', 'folder'),
      [join('linked', 'folder', 'foreign.car')],
      'a link that was named'
    )
  })

  it('are read 16 folders deep; a deeper one is an error, not left out', async () => {
    put('deep', ...levels(16), 'last.car')
    assert.deepEqual(await found('deep'), [join('deep', ...levels(16), 'last.car')])
    put('deeper', ...levels(17), 'beyond.car')
    await assert.rejects(found('deeper'), { code: 'config', message: /more than 16 folders deep/ })
    await assert.rejects(found('nothing'), { code: 'config' })
  })
})
