import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { defaultRequesterOptions, type RequesterOptions, validateRequesterOptions } from '#src/requester/index.ts'
import { Harness } from '#test/support/requester/harness.ts'

const FAULTS: readonly [Partial<RequesterOptions>, RegExp][] = [
  [{ concurrency: 0 }, /'concurrency' is 0.*nothing could be fetched/],
  [{ maxSearchAhead: 1.5 }, /'maxSearchAhead'/],
  [{ tickMs: Number.NaN }, /'tickMs'/],
  [{ startHeight: -1 }, /'startHeight' \(-1\)/],
  [{ startHeight: { latestMinus: 0.5 } }, /'startHeight' \(0.5\)/],
  [{ maxAttemptTimeoutMs: 5 }, /'maxAttemptTimeoutMs' is below/],
  [{ retry: { initialMs: 0, maxMs: 5, jitter: 0 } }, /'retry' needs/],
  [{ retry: { initialMs: 1, maxMs: 5, jitter: 2 } }, /'retry.jitter' is 2/],
  [{ unobtainableAfterMs: -1 }, /'unobtainableAfterMs' is -1/]
]

describe('requester options', () => {
  test('the defaults fit', () => assert.deepEqual(validateRequesterOptions(defaultRequesterOptions), []))

  for (const [part, fault] of FAULTS) {
    test(`${JSON.stringify(part)} is refused`, () => {
      assert.match(validateRequesterOptions({ ...defaultRequesterOptions, ...part }).join('\n'), fault)
      assert.throws(() => new Harness(part), { code: 'option-invalid' })
    })
  }
})
