import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findParents } from '#src/lab/hammer/cage.ts'

describe('where a memory cgroup can be made', () => {
  it('v1: below the own one, else at the top of the controller', () => {
    const mounts = [
      'cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0',
      'cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0'
    ].join('\n')
    assert.deepEqual(findParents({ cgroups: '8:pids:/\n4:memory:/job/a\n0::/\n', mounts }), [
      { version: 'v1', directories: ['/sys/fs/cgroup/memory/job/a', '/sys/fs/cgroup/memory'] }
    ])
  })

  it('v2: the own one and those above it, since one that holds processes has no limited children', () => {
    const mounts = 'cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n'
    assert.deepEqual(findParents({ cgroups: '0::/user.slice/session-1.scope\n', mounts }), [
      {
        version: 'v2',
        directories: ['/sys/fs/cgroup/user.slice/session-1.scope', '/sys/fs/cgroup/user.slice', '/sys/fs/cgroup']
      }
    ])
  })

  it('both: v1 first, whose controller is the one in use', () => {
    const mounts = [
      'cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0',
      'cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0'
    ].join('\n')
    const versions = findParents({ cgroups: '4:memory:/\n0::/\n', mounts }).map(({ version }) => version)
    assert.deepEqual(versions, ['v1', 'v2'])
  })

  it('nowhere without a controller', () => {
    assert.deepEqual(findParents({ cgroups: '', mounts: 'tmpfs /tmp tmpfs rw 0 0\n' }), [])
  })
})
