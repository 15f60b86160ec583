import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '#src/log/index.ts'
import { ServiceStack } from '#src/node/service-stack.ts'
import { type Service, systemClock } from '#src/util/index.ts'

function stackOf(names: readonly string[], parts: Readonly<Record<string, Partial<Service>>> = {}) {
  const events: string[] = []
  const stack = new ServiceStack({ clock: systemClock, logger: silentLogger }, { stepTimeoutMs: 20 })
  for (const name of names) {
    const record = (what: string) => async () => {
      events.push(`${what} ${name}`)
    }
    stack.add(name, { start: record('start'), stop: record('stop'), ...parts[name] })
  }
  return { stack, events }
}

describe('service stack', () => {
  it('starts in order and stops in reverse, once', async () => {
    const { stack, events } = stackOf(['a', 'b', 'c'])
    await stack.start()
    assert.deepEqual(stack.running, ['a', 'b', 'c'])
    await Promise.all([stack.stop(), stack.stop()])
    assert.deepEqual(events, ['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a'])
  })

  it('rolls back what had started when one cannot start', async () => {
    const { stack, events } = stackOf(['a', 'b', 'c'], { b: { start: () => Promise.reject(new Error('no port')) } })
    await assert.rejects(stack.start(), /no port/)
    assert.deepEqual(events, ['start a', 'stop a'])
  })

  it('goes on past a step that fails or hangs, and says which hung', async () => {
    const { stack, events } = stackOf(['a', 'b', 'c'], {
      b: { stop: () => new Promise(() => {}) },
      c: { stop: () => Promise.reject(new Error('broken')) }
    })
    await stack.start()
    await assert.rejects(stack.stop(), { code: 'stop-timeout', message: /: b$/ })
    assert.deepEqual(events, ['start a', 'start b', 'start c', 'stop a'])
  })

  it('reports the first failure of a running service', async () => {
    let fail: (error: Error) => void = () => {}
    const failed = new Promise<never>((_, reject) => {
      fail = reject
    })
    const { stack } = stackOf(['a'], { a: { failed } })
    await stack.start()
    fail(new Error('disk gone'))
    await assert.rejects(stack.failed, /disk gone/)
    await stack.stop()
  })
})
