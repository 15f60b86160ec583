import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { carFigures } from '#src/lab/localnet/car-figures.ts'
import { type BlockSource, chainSources, type SourceBlock, takeBlocks } from '#src/lab/localnet/source.ts'
import { type SyntheticShape, syntheticSource } from '#src/lab/localnet/synthetic-source.ts'
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

describe('synthetic blocks', () => {
  async function first(count: number, shape: SyntheticShape): Promise<SourceBlock[]> {
    const blocks: SourceBlock[] = []
    for await (const block of takeBlocks(syntheticSource(shape, 500), count).blocks()) blocks.push(block)
    return blocks
  }

  it('are the same for the same seed, and others for another', async () => {
    const digests = async (seed: number): Promise<string[]> =>
      (await first(3, { seed })).map((block) => block.carSha256)
    const one = await digests(1)
    assert.deepEqual(await digests(1), one)
    assert.equal(new Set([...one, ...(await digests(2))]).size, 6)
  })

  it('have ascending heights, and CARs that say of themselves what the block says', async () => {
    const blocks = await first(3, { seed: 3 })
    assert.deepEqual(
      blocks.map(({ height }) => height),
      [500, 501, 502]
    )
    for (const { car, blobs, bytes } of blocks) assert.deepEqual(carFigures(car, 'synthetic'), { blobs, bytes })
  })

  it('have the blobs that were asked for, and a root', async () => {
    const [block] = await first(1, { seed: 1, blobSize: 4_096, blobsPerBlock: 3 })
    assert.equal(block?.blobs, 4)
    assert.ok((block?.bytes ?? 0) > 3 * 4_096 && (block?.bytes ?? 0) < 3 * 4_096 + 512)
    const [single] = await first(1, { seed: 1, blobsPerBlock: 1 })
    assert.ok((single?.bytes ?? 0) > 1_048_576)
  })
})
