import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { budgetOptions, validateBudgetOptions } from '#src/budget/index.ts'
import { PROFILE_VALUES, PROFILES } from '#src/node/config/keys.ts'
import { loadConfig } from '#src/node/config/load.ts'
import { planMemory } from '#src/node/memory-stage.ts'
import { faultsOfRooms, largestSteps, roomOptions } from '#src/node/profiles.ts'
import { requestLimits } from '#src/node/request-limits.ts'
import { validateApiOptions } from '#src/api/index.ts'
import { validateExecutionDataOptions } from '#src/execution-data/index.ts'
import { validateAnnouncementsFeedOptions } from '#src/feed/index.ts'
import { validateRequesterOptions } from '#src/requester/index.ts'
import { validateSegmentBlockstoreOptions } from '#src/store/index.ts'

const MIB = 1024 ** 2

describe('a profile', () => {
  for (const profile of PROFILES) {
    it(`${profile}: every room takes its options, and they fit each other`, () => {
      const rooms = roomOptions(profile)
      assert.deepEqual(faultsOfRooms(rooms), [])
      assert.deepEqual(validateApiOptions(rooms.api), [])
      assert.deepEqual(validateSegmentBlockstoreOptions({ ...rooms.store, directory: 'blobs' }), [])
      assert.deepEqual(validateAnnouncementsFeedOptions(rooms.feed), [])
      validateExecutionDataOptions(rooms.executionData)
      validateRequesterOptions(rooms.requester)
    })

    it(`${profile}: starts in the smallest memory that the error for less names, and not in a byte less`, () => {
      const loaded = loadConfig({ flags: { profile }, env: {} })
      const memory = {
        limitBytes: undefined,
        cacheBytes: loaded.get('memory.cache')?.value as number,
        totalBytes: loaded.get('memory.budget')?.value as number
      }
      const plan = (totalBytes: number) =>
        planMemory(memory, { totalBytes, constrainedBytes: undefined }, roomOptions(profile))
      assert.throws(() => plan(32 * MIB), /the smallest that works is 160\.0 MiB/)
      assert.throws(() => plan(160 * MIB - 1), /the smallest that works is 160\.0 MiB/)
      assert.equal(plan(160 * MIB).totalBytes, 24 * MIB)
    })
  }

  it('nano is below standard wherever it differs', () => {
    const compare = (small: object, large: object, path: string): void => {
      for (const [key, value] of Object.entries(small)) {
        const other = (large as Record<string, unknown>)[key]
        if (typeof value === 'object' && value !== null && typeof other === 'object' && other !== null) {
          compare(value as object, other, `${path}.${key}`)
        } else if (typeof value === 'number' && typeof other === 'number') {
          assert.ok(value <= other, `${path}.${key}: ${value} against ${other}`)
        }
      }
    }
    compare(roomOptions('nano'), roomOptions('standard'), 'rooms')
    assert.ok((PROFILE_VALUES.nano['memory.budget'] as number) < (PROFILE_VALUES.archive['memory.budget'] as number))
  })
})

describe('limits that do not fit', () => {
  it('are told by both keys', () => {
    const rooms = roomOptions('nano')
    const broken = {
      ...rooms,
      store: { ...rooms.store, groupBytes: 64 * MIB },
      executionData: { ...rooms.executionData, maxUndurableBytes: 49 * MIB }
    }
    assert.deepEqual(faultsOfRooms(broken), [
      'store.groupBytes (64.0 MiB) exceeds store.maxPendingBytes (48.0 MiB)',
      'execution-data.maxUndurableBytes (49.0 MiB) exceeds store.maxPendingBytes (48.0 MiB)'
    ])
  })

  it('a single step above its account is told with the account and the setting that gives it', () => {
    const rooms = roomOptions('standard')
    const broken = {
      ...rooms,
      api: { ...rooms.api, reader: { ...rooms.api.reader, maxAnswerBytes: 64 * MIB } }
    }
    const budget = budgetOptions({ totalBytes: 192 * MIB, cacheBytes: 64 * MIB })
    const [fault, ...more] = validateBudgetOptions(budget, largestSteps(broken))
    assert.match(fault ?? '', /api\.reader\.maxAnswerBytes.*exceeds budget\.accountBytes\.api.*memory\.budget/)
    assert.deepEqual(more, [])
    assert.deepEqual(validateBudgetOptions(budget, largestSteps(rooms)), [])
  })
})

describe('request limits', () => {
  it('name each limit once, with its key and what refuses it', () => {
    for (const profile of PROFILES) {
      const limits = requestLimits(roomOptions(profile))
      assert.equal(new Set(limits.map(({ key }) => key)).size, limits.length)
      for (const { value, key, refusedWith } of limits) assert.ok(value > 0 && refusedWith !== '', key)
    }
  })
})
