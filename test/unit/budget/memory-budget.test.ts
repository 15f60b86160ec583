import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import {
  AccountShare,
  budgetOptions,
  createBudgetMetrics,
  defaultBudgetOptions,
  MemoryBudget,
  SMALLEST_BUDGET_BYTES,
  validateBudgetOptions
} from '#src/budget/index.ts'

const accountBytes = { cache: 60, receive: 60, send: 60, decode: 60, api: 60 }
const noFloors = { cache: 0, receive: 0, send: 0, decode: 0, api: 0 }
const make = (floorBytes = noFloors) => {
  const register = new Registry()
  const metrics = createBudgetMetrics(register)
  return { budget: new MemoryBudget({ metrics }, { totalBytes: 100, accountBytes, floorBytes }), register }
}

describe('memory budget', () => {
  it('refuses what exceeds the account, and what exceeds the whole, and counts it', async () => {
    const { budget, register } = make()
    const cache = budget.account('cache')
    assert.equal(cache.tryReserve(61), false)
    assert.equal(cache.tryReserve(60), true)
    assert.equal(budget.account('send').tryReserve(41), false)
    assert.equal(budget.account('send').tryReserve(40), true)
    const metrics = await register.metrics()
    assert.match(metrics, /sealsync_budget_refused_total\{account="send"\} 1/)
    assert.match(metrics, /sealsync_budget_reserved_bytes\{account="cache"\} 60/)
  })

  it('a share is a part of its account: bounded by itself, paid by the account', () => {
    const { budget } = make()
    const send = budget.account('send')
    const share = new AccountShare(send, 20)
    assert.equal(share.tryReserve(21), false)
    assert.equal(share.tryReserve(15), true)
    assert.deepEqual([share.reservedBytes, send.reservedBytes, budget.reservedBytes], [15, 15, 15])
    assert.equal(send.tryReserve(43), true)
    assert.equal(share.tryReserve(3), false, 'the account is full')
    assert.equal(share.reservedBytes, 15)
    assert.throws(() => share.release(16), RangeError)
    share.release(15)
    assert.deepEqual([share.reservedBytes, send.reservedBytes], [0, 43])
  })

  it('refuses to release more than it holds', () => {
    const { budget } = make()
    assert.throws(() => budget.account('api').release(1), RangeError)
  })

  it('never holds more than its caps, whatever is asked', () => {
    const names = ['cache', 'receive', 'send', 'decode', 'api'] as const
    const step = fc.record({
      name: fc.constantFrom(...names),
      bytes: fc.integer({ min: 0, max: 70 }),
      give: fc.boolean()
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { budget } = make()
        for (const { name, bytes, give } of steps) {
          const account = budget.account(name)
          if (give) account.release(Math.min(bytes, account.reservedBytes))
          else account.tryReserve(bytes)
          const sum = names.reduce((total, each) => total + budget.account(each).reservedBytes, 0)
          assert.equal(sum, budget.reservedBytes)
          assert.ok(sum <= 100 && account.reservedBytes <= 60)
        }
      })
    )
  })

  it('keeps every floor free, whatever the others hold', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(4), fc.nat(70)), { maxLength: 40 }), (asked) => {
        const floorBytes = { cache: 0, receive: 20, send: 10, decode: 10, api: 5 }
        const { budget } = make(floorBytes)
        const names = ['cache', 'receive', 'send', 'decode', 'api'] as const
        for (const [at, bytes] of asked) budget.account(names[at] ?? 'api').tryReserve(bytes)
        for (const name of names) {
          const account = budget.account(name)
          assert.ok(account.tryReserve(Math.max(0, floorBytes[name] - account.reservedBytes)), name)
        }
        assert.ok(budget.reservedBytes <= 100)
      })
    )
  })

  it('has elastic accounts give back what others need, and no more than that', async () => {
    const { budget, register } = make()
    const cache = budget.account('cache')
    budget.setElastic('cache', (bytes) => cache.release(bytes))
    assert.ok(cache.tryReserve(60) && budget.account('send').tryReserve(30))
    assert.equal(budget.elasticBytes, 60)
    assert.ok(budget.account('receive').tryReserve(40))
    assert.equal(cache.reservedBytes, 30)
    assert.equal(budget.reservedBytes, 100)
    assert.match(await register.metrics(), /sealsync_budget_reclaimed_bytes_total\{account="cache"\} 30/)
    // Even all of it would not do: the asker is refused.
    assert.equal(budget.account('api').tryReserve(40), false)
  })

  it('grants nothing from a closed account, and takes back what it holds', () => {
    const { budget } = make()
    const api = budget.account('api')
    assert.ok(api.tryReserve(10))
    budget.setClosed('api', true)
    assert.equal(api.tryReserve(1), false)
    api.release(10)
    budget.setClosed('api', false)
    assert.equal(api.tryReserve(60), true)
  })

  it('says which limit is larger than what pays for it', () => {
    const steps = [{ account: 'api' as const, bytes: 61, key: 'api.window' }]
    const options = { totalBytes: 100, accountBytes, floorBytes: noFloors }
    assert.match(
      validateBudgetOptions(options, steps).join(),
      /api\.window \(61 bytes\) exceeds budget\.accountBytes\.api \(60/
    )
    assert.match(
      validateBudgetOptions({ ...options, floorBytes: { ...noFloors, api: 61 } }).join(),
      /less than its floor/
    )
    const many = { cache: 30, receive: 30, send: 30, decode: 30, api: 30 }
    assert.match(validateBudgetOptions({ ...options, floorBytes: many }).join(), /all floors together/)
  })

  it('scales to any total that its floors fit', () => {
    fc.assert(
      fc.property(fc.integer({ min: SMALLEST_BUDGET_BYTES, max: 2 ** 34 }), (totalBytes) => {
        const cacheBytes = Math.floor(totalBytes / 8)
        assert.deepEqual(validateBudgetOptions(budgetOptions({ totalBytes, cacheBytes })), [])
      })
    )
  })

  it('has defaults that fit each other, and says which do not', () => {
    assert.deepEqual(validateBudgetOptions(defaultBudgetOptions), [])
    assert.match(
      validateBudgetOptions({ totalBytes: 10, accountBytes: { ...accountBytes, api: 5 }, floorBytes: noFloors }).join(),
      /'cache'/
    )
  })
})
