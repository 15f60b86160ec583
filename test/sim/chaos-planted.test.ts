import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ByteAccount } from '#src/exchange/byte-account.ts'
import { Asking } from '#src/exchange/client/asking.ts'
import { ExchangeClient } from '#src/exchange/client/client.ts'
import { ReceiveAccount } from '#src/exchange/network/receive-account.ts'
import { PeerLink } from '#src/exchange/network/peer-link.ts'
import { ExchangeServer } from '#src/exchange/server/server.ts'
import type { ReceivedBlock } from '#src/exchange/message/types.ts'
import type { PeerIdText } from '#src/model/index.ts'
import { TimerWheel } from '#src/util/index.ts'
import { MemoryTracker } from '#test/support/requester/memory-disk.ts'
import { runPlan, trial } from './runner/chaos.ts'
import { heightsPlans, smallPlans } from './runner/plan.ts'

const MOST_PLANS = 40

/** Makes one method of a class faulty while `run` runs. */
async function withFault<T extends object, R>(
  prototype: T,
  change: (original: T) => Partial<T>,
  run: () => Promise<R>
): Promise<R> {
  const original = Object.fromEntries(
    Object.entries(Object.getOwnPropertyDescriptors(prototype)).map(([name, { value }]) => [name, value])
  ) as T
  const faulty = change(original)
  try {
    Object.assign(prototype, faulty)
    return await run()
  } finally {
    for (const name of Object.keys(faulty) as (keyof T)[]) prototype[name] = original[name]
  }
}

/** What the first plan that fails says. */
async function firstFailure(plans = smallPlans): Promise<string> {
  for (const plan of fc.sample(plans, { seed: 1, numRuns: MOST_PLANS })) {
    const message = await runPlan(plan).then(
      () => undefined,
      (error: unknown) => String(error)
    )
    if (message !== undefined) return message
  }
  return 'nothing was found'
}

describe('the simulation finds', () => {
  test('a want whose timer was never set', async () => {
    const found = await withFault(Asking.prototype, () => ({ watch() {} }), firstFailure)
    assert.match(found, /want that nothing moves on/)
  })

  test('a timer wheel that loses a timer now and then', async () => {
    let scheduled = 0
    const lossy = (original: TimerWheel): Partial<TimerWheel> => ({
      schedule(this: TimerWheel, ms, run) {
        scheduled += 1
        return original.schedule.call(this, ms, scheduled % 10 === 0 ? () => {} : run)
      }
    })
    assert.match(await withFault(TimerWheel.prototype, lossy, firstFailure), /wants are stuck|holds bytes/)
  })

  test('cancels that are not sent', async () => {
    const found = await withFault(PeerLink.prototype, () => ({ queueCancel() {} }), firstFailure)
    assert.match(found, /keeps a want/)
  })

  test('blocks that are handed on without a look', async () => {
    const careless = (original: ExchangeClient): Partial<ExchangeClient> => ({
      block(this: ExchangeClient, peer: PeerIdText, block: ReceivedBlock) {
        const bytes = Uint8Array.from(block.assemble(), (byte, at) => (at === 0 ? byte ^ 1 : byte))
        original.block.call(this, peer, { ...block, assemble: () => bytes })
      }
    })
    assert.match(await withFault(ExchangeClient.prototype, careless, firstFailure), /other bytes than asked for/)
  })

  test('ledgers that outlive their peers', async () => {
    const found = await withFault(ExchangeServer.prototype, () => ({ disconnected() {} }), firstFailure)
    assert.match(found, /a ledger of a peer that is gone/)
  })

  test('room for receiving that is not given back', async () => {
    // A node whose room is gone reads no more: whoever sends to it may be the first to see it.
    const found = await withFault(ReceiveAccount.prototype, () => ({ release() {} }), firstFailure)
    assert.match(found, /wants are stuck|holds bytes for receiving|does not read/)
  })

  test('a budget that nobody heeds', async () => {
    const generous = (original: ByteAccount): Partial<ByteAccount> => ({
      tryReserve(this: ByteAccount, bytes) {
        original.release.call(this, -bytes)
        return true
      }
    })
    const found = await withFault(ByteAccount.prototype, generous, firstFailure)
    assert.match(found, /bytes are being (received|sent)/)
  })

  test('heights that are acknowledged and not held', async () => {
    const found = await withFault(
      MemoryTracker.prototype,
      () => ({ track: async () => {} }),
      () => firstFailure(heightsPlans)
    )
    assert.match(found, /is not tracked/)
  })

  test('and makes a plan that fails smaller', async () => {
    const seed = 3
    const outcome = await withFault(
      PeerLink.prototype,
      () => ({ queueCancel() {} }),
      () => trial(seed, smallPlans)
    )
    assert.ok('failure' in outcome)
    const { plan } = outcome.failure
    const drawn = fc.sample(smallPlans, { seed, numRuns: 1 })[0]
    assert.ok(JSON.stringify(plan).length < JSON.stringify(drawn).length, 'no smaller than it was drawn')
    await assert.doesNotReject(runPlan(plan), 'without the fault it holds')
  })
})
