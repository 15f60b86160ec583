import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { localnetOptions } from '#cmd/localnet.ts'
import { defaultLocalnetOptions } from '#src/lab/index.ts'

describe("localnet's flags", () => {
  it('are its options; what is not given keeps its default', () => {
    assert.deepEqual(localnetOptions({}), defaultLocalnetOptions)
    const flags = {
      access: '8',
      for: '60s',
      rate: '2.5',
      source: 'synthetic',
      blobSize: '1MiB',
      blobsPerBlock: '3',
      silentExecution: '1',
      delay: '10',
      out: '/tmp/x',
      keepData: true,
      json: true
    }
    assert.deepEqual(localnetOptions(flags), {
      ...defaultLocalnetOptions,
      access: 8,
      forMs: 60_000,
      rate: 2.5,
      source: 'synthetic',
      blobSize: 1_048_576,
      blobsPerBlock: 3,
      silentExecution: 1,
      delayMs: 10,
      out: '/tmp/x',
      keepData: true
    })
  })

  const rows: readonly (readonly [flags: Record<string, string | boolean>, fault: RegExp])[] = [
    [{ access: 'many' }, /--access 'many' must be a whole number/],
    [{ access: '-1' }, /--access '-1' must be a whole number/],
    [{ rate: 'fast' }, /--rate 'fast' must be a number/],
    [{ blobSize: '1 mebi' }, /--blob-size '1 mebi' must be a size/],
    [{ for: 'ever' }, /--for 'ever' must be a duration/],
    [{ out: '' }, /--out '' must be a value/],
    [{ keepData: true }, /--keep-data needs --out/],
    [{ execution: '0', access: '0' }, /--execution must be .*; --access must be/]
  ]
  for (const [flags, fault] of rows) {
    it(`are refused when they are ${JSON.stringify(flags)}`, () => {
      assert.throws(() => localnetOptions(flags), { code: 'usage', message: fault })
    })
  }
})
