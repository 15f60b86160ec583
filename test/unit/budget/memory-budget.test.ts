import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { createBudgetMetrics, defaultBudgetOptions, MemoryBudget, validateBudgetOptions } from '#src/budget/index.ts'

const accountBytes = { cache: 60, receive: 60, send: 60, decode: 60, api: 60 }
const make = () => {
  const register = new Registry()
  const metrics = createBudgetMetrics(register)
  return { budget: new MemoryBudget({ metrics }, { totalBytes: 100, accountBytes }), register }
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

  it('has defaults that fit each other, and says which do not', () => {
    assert.deepEqual(validateBudgetOptions(defaultBudgetOptions), [])
    assert.match(validateBudgetOptions({ totalBytes: 10, accountBytes: { ...accountBytes, api: 5 } }).join(), /'cache'/)
  })
})
