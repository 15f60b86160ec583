import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defaultLocalnetOptions, type LocalnetOptions, validateLocalnetOptions } from '#src/lab/options.ts'

const faultsOf = (options: Partial<LocalnetOptions>): string[] =>
  validateLocalnetOptions({ ...defaultLocalnetOptions, ...options })

describe('localnet options', () => {
  it('takes its defaults', () => {
    assert.deepEqual(faultsOf({}), [])
  })

  const rows: readonly (readonly [options: Partial<LocalnetOptions>, fault: RegExp])[] = [
    [{ execution: 0 }, /--execution must be 1 or more/],
    [{ access: 0 }, /--access must be 1 or more/],
    [{ access: 2.5 }, /--access/],
    [{ observer: -1 }, /--observer/],
    [{ access: 500 }, /more than 200 nodes/],
    [{ blocks: 0 }, /--blocks/],
    [{ forMs: 10 }, /--for must be 1s or more/],
    [{ rate: 0 }, /--rate/],
    [{ rate: Number.NaN }, /--rate/],
    [{ rate: 1_001 }, /--rate/],
    [{ delayMs: 5_001 }, /--delay/],
    [{ seed: -1 }, /--seed/],
    [{ quietMs: 1_000_000 }, /--quiet/],
    // Half way of what has no end is nowhere.
    [{ kill: 1 }, /give --blocks N or --for DURATION/],
    [{ kill: 2, silent: 2, blocks: 10 }, /a node cannot be both/],
    [{ silent: 3, blocks: 10 }, /--silent must leave an access node/],
    [{ silentExecution: 2, blocks: 10 }, /--silent-execution must leave/],
    [{ dhtAccess: 4 }, /--dht-access exceeds --access/],
    [{ blobSize: 4096, source: 'chain' }, /shape synthetic blocks, not --source chain/],
    [{ blobSize: 100 }, /--blob-size must lie between/],
    [{ blobSize: 1_048_577 }, /--blob-size must lie between/],
    [{ blobsPerBlock: 0 }, /--blobs-per-block must lie between/],
    [{ keepData: true }, /--keep-data needs --out/]
  ]
  for (const [options, fault] of rows) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      const faults = faultsOf(options)
      assert.ok(
        faults.some((text) => fault.test(text)),
        faults.join('; ')
      )
    })
  }

  it('lets nodes be killed half way of a source that ends', () => {
    assert.deepEqual(faultsOf({ kill: 1, source: 'chain' }), [])
    assert.deepEqual(faultsOf({ silent: 1, forMs: 60_000 }), [])
  })
})
