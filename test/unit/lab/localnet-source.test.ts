import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { carFigures } from '#src/lab/localnet/car-figures.ts'
import { type BlockSource, chainSources, takeBlocks } from '#src/lab/localnet/source.ts'
import { parseBlockId, parseExecutionDataId } from '#src/model/index.ts'

const id = 'ab'.repeat(32)

function sourceOf(name: string, first: number, total: number | undefined): BlockSource & { made: number[] } {
  const made: number[] = []
  return {
    name,
    firstHeight: first,
    total,
    made,
    async *blocks() {
      for (let height = first; total === undefined || height < first + total; height += 1) {
        made.push(height)
        const blockId = parseBlockId(id)
        const executionDataId = parseExecutionDataId(id)
        assert.ok(blockId !== undefined && executionDataId !== undefined)
        yield { height, blockId, executionDataId, blobs: 1, bytes: 1, carSha256: id, car: new Uint8Array() }
      }
    }
  }
}

async function heightsOf(source: BlockSource): Promise<number[]> {
  const heights: number[] = []
  for await (const { height } of source.blocks()) heights.push(height)
  return heights
}

describe('block sources', () => {
  it('follow one another', async () => {
    const joined = chainSources(sourceOf('chain', 5, 2), sourceOf('synthetic', 7, 3))
    assert.deepEqual([joined.name, joined.firstHeight, joined.total], ['chain+synthetic', 5, 5])
    assert.deepEqual(await heightsOf(joined), [5, 6, 7, 8, 9])
  })

  it('have no end when the last has none, and no block is made beyond what is taken', async () => {
    const endless = sourceOf('synthetic', 7, undefined)
    const joined = chainSources(sourceOf('chain', 5, 2), endless)
    assert.equal(joined.total, undefined)
    const taken = takeBlocks(joined, 4)
    assert.equal(taken.total, 4)
    assert.deepEqual(await heightsOf(taken), [5, 6, 7, 8])
    assert.deepEqual(endless.made, [7, 8])
  })

  it('give no more than they have', async () => {
    const taken = takeBlocks(sourceOf('chain', 5, 2), 80)
    assert.equal(taken.total, 2)
    assert.deepEqual(await heightsOf(taken), [5, 6])
  })
})

describe("a CAR's figures", () => {
  const header = [1, 0xa0]
  const section = (length: number): number[] => [34 + length, ...Array<number>(34 + length).fill(0)]
  const whole = Uint8Array.from([...header, ...section(10), ...section(0), ...section(20)])

  it('are its blobs and their bytes', () => {
    assert.deepEqual(carFigures(whole, 'x.car'), { blobs: 3, bytes: 30 })
  })

  it('cannot be had of a file that is cut short anywhere', () => {
    const ends = new Set([0, 2, 47, 82, whole.length])
    for (let length = 1; length < whole.length; length += 1) {
      if (ends.has(length)) continue
      assert.throws(() => carFigures(whole.subarray(0, length), 'x.car'), { code: 'bad-source' }, `cut at ${length}`)
    }
    assert.throws(() => carFigures(new Uint8Array(), 'x.car'), /is empty/)
  })
})
