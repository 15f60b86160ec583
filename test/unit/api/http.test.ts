import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { noneMatch } from '#src/api/http/call.ts'
import { hostAllowed, hostOfHeader, isLoopbackHost } from '#src/api/http/host-guard.ts'
import { type Method, type Route, RouteTable } from '#src/api/http/route.ts'

const route = (path: string, ...methods: Method[]): Route => ({ name: path, methods, path, handle: async () => {} })

test('a route is found by path and method, and a wrong method learns the right ones', () => {
  const table = new RouteTable([
    route('/', 'GET'),
    route('/a/:b', 'GET', 'HEAD'),
    route('/a/:c/d', 'GET'),
    route('/a/:b', 'POST')
  ])
  const found = (method: string, path: string) => {
    const match = table.find(method, path)
    return 'route' in match ? [match.route.name, match.params] : match.allowed
  }
  assert.deepEqual(found('GET', '/'), ['/', {}])
  assert.deepEqual(found('HEAD', '/a/x'), ['/a/:b', { b: 'x' }])
  assert.deepEqual(found('GET', '/a/x/d'), ['/a/:c/d', { c: 'x' }])
  assert.deepEqual(found('PUT', '/a/x'), ['GET', 'HEAD', 'POST'])
  for (const path of ['', '/a', '/a/', '/a//d', '/a/x/', '/a/x/d/e', '//'])
    assert.deepEqual(found('GET', path), [], path)
  // Segments are not names of Object.prototype.
  assert.deepEqual(found('GET', '/a/__proto__'), ['/a/:b', { b: '__proto__' }])
})

test('ambiguous and relative routes are refused', () => {
  assert.throws(() => new RouteTable([route('/a/:b', 'GET'), route('/a/:c', 'GET')]), RangeError)
  assert.throws(() => new RouteTable([route('a', 'GET')]), RangeError)
})

test('hosts that are loopback, and those that only look like it', () => {
  for (const host of ['localhost', 'LOCALHOST', '127.0.0.1', '127.9.9.9', '::1', '[::1]', '0:0:0:0:0:0:0:1']) {
    assert.equal(isLoopbackHost(host), true, host)
  }
  for (const host of [
    '',
    '0.0.0.0',
    '127.0.0.1.evil.example',
    '127.1',
    'localhost.',
    '::',
    '::2',
    'evil.example',
    '1::1'
  ]) {
    assert.equal(isLoopbackHost(host), false, host)
  }
})

test('the host of a Host header', () => {
  assert.equal(hostOfHeader('Node.Example:80'), 'node.example')
  assert.equal(hostOfHeader('[::1]:8080'), '[::1]')
  for (const header of ['', ':80', 'a b', 'a:b', 'a@b', 'a/b', '[::1', 'a:123456']) {
    assert.equal(hostOfHeader(header), undefined, header)
  }
})

test('off loopback the Host header counts only when the operator lists names', () => {
  assert.equal(hostAllowed('any.example', { host: '0.0.0.0', allowedHosts: [] }), true)
  assert.equal(hostAllowed('any.example', { host: '0.0.0.0', allowedHosts: ['node.example'] }), false)
  assert.equal(hostAllowed('node.example', { host: '0.0.0.0', allowedHosts: ['Node.Example'] }), true)
  assert.equal(hostAllowed('any.example', { host: '127.0.0.1', allowedHosts: [] }), false)
  assert.equal(hostAllowed(undefined, { host: '127.0.0.1', allowedHosts: [] }), true)
})

test('no header but a loopback name or a listed one opens a loopback listener', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.domain(), fc.ipV4(), fc.ipV6()), (header) => {
      const allowed = hostAllowed(header, { host: '127.0.0.1', allowedHosts: [] })
      assert.equal(allowed, isLoopbackHost(hostOfHeader(header) ?? ''))
    })
  )
})

test('If-None-Match: lists, weak tags, the star', () => {
  for (const header of ['"a"', 'W/"a"', '"b", "a"', '*', ' "a" ']) assert.equal(noneMatch(header, '"a"'), true, header)
  for (const header of [undefined, '', 'a', '"b"', '"a', '"ab"']) assert.equal(noneMatch(header, '"a"'), false, header)
})
