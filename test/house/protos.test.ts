import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { protoDigests } from '../../build/generate-protos.ts'

test('the protobuf files and what was generated of them have not been changed, neither alone', () => {
  const recorded = readFileSync(new URL('../../proto/generated.sha256', import.meta.url), 'utf8')
  assert.ok(recorded.split('\n').length > 20)
  assert.equal(protoDigests(), recorded, 'after a change of proto/: node build/generate-protos.ts')
})
