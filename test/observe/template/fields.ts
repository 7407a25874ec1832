import t from 'tap'
import type { Summary } from '../../../src/gate/contract.ts'
import {
  canonical,
  fieldsFor,
  headerField,
  latency,
  type Member,
  statusOf,
} from '../../../src/observe/template/fields.ts'
import { Float, type Value } from '../../../src/observe/template/values.ts'
import { type HeadOptions, head } from '../../support/gate.ts'
import { refused, serving, summaryOf } from '../summary.js'

function member(path: string): Member | undefined {
  return path
    .split('.')
    .reduce<Member | undefined>((at, name) => at?.members?.get(name), { members: fieldsFor(serving) })
}

function read(path: string, over: Partial<Summary> = {}, request: HeadOptions = {}): Value | undefined {
  const value = member(path)?.read?.(summaryOf(over, request))
  return value instanceof Float ? value.value : value
}

const absolute = { target: 'http://u@abs.example:81/p%20q?x=1' }
const rows: [path: string, request: HeadOptions, expected: Value][] = [
  ['Request.Method', { method: 'PUT' }, 'PUT'],
  ['Request.RequestURI', { target: '/a?b' }, '/a?b'],
  ['Request.URL', { target: '/a?b' }, '/a?b'],
  ['Request.URL.String', { target: '/a?b' }, '/a?b'],
  ['Request.URL.Path', { target: '/a%20b%41%C3%A9?c%20' }, '/a bA\xc3\xa9'],
  ['Request.URL.Path', { target: '/a%0Ab%00%7f%zz%1F' }, '/a%0Ab%00%7f%zz%1F'],
  ['Request.URL.Path', absolute, '/p q'],
  ['Request.URL.Path', { target: '*' }, '*'],
  ['Request.URL.EscapedPath', { target: '/a%20b?x' }, '/a%20b'],
  ['Request.URL.RawPath', { target: '/a' }, ''],
  ['Request.URL.RawPath', { target: '/a%2Fb' }, '/a%2Fb'],
  ['Request.URL.RawQuery', { target: '/a?b?c' }, 'b?c'],
  ['Request.URL.RawQuery', { target: '/a' }, ''],
  ['Request.URL.RequestURI', absolute, '/p%20q?x=1'],
  ['Request.URL.RequestURI', { target: '/a' }, '/a'],
  ['Request.URL.Host', absolute, 'u@abs.example:81'],
  ['Request.URL.Host', {}, ''],
  ['Request.URL.Scheme', absolute, 'http'],
  ['Request.URL.Scheme', { target: '*' }, ''],
  ['Request.URL.IsAbs', absolute, true],
  ['Request.URL.Fragment', {}, ''],
  ['Request.Host', { fields: ['Host', 'a:1'] }, 'a:1'],
  ['Request.Host', {}, ''],
  ['Request.Host', absolute, 'abs.example:81'],
  ['Request.Host', { target: '*', fields: ['Host', 'a'] }, 'a'],
  ['Request.Host', { target: '*' }, ''],
  ['Request.Proto', { version: '1.0' }, 'HTTP/1.0'],
  ['Request.Proto', { version: '2' }, 'HTTP/2.0'],
  ['Request.ProtoMajor', { version: '2' }, 2],
  ['Request.ProtoMinor', { version: '1.1' }, 1],
  ['Request.ProtoMinor', { version: '2' }, 0],
  ['Request.ContentLength', {}, 0],
  ['Request.ContentLength', { fields: ['Content-Length', '7'] }, 7],
  ['Request.ContentLength', { fields: ['Transfer-Encoding', 'chunked'] }, -1],
  ['Request.RemoteAddr', {}, '192.0.2.1'],
  ['Request.UserAgent', {}, ''],
  ['Request.Referer', { fields: ['Referer', 'r'] }, 'r'],
  ['Response.Code', {}, 200],
  ['Response.Size', {}, 11],
  ['Response.Latency', {}, 0.08],
  ['Revision.Name', {}, 'cart-00001'],
  ['Revision.Namespace', {}, 'shop'],
  ['Revision.Service', {}, 'cart'],
  ['Revision.Configuration', {}, 'cart-config'],
  ['Revision.PodName', {}, 'cart-00001-x'],
  ['Revision.PodIP', {}, '10.0.0.1'],
  ['TraceID', { fields: ['Traceparent', '00-abc-def-01', 'X-B3-TraceId', 'b3'] }, 'abc'],
  ['TraceID', { fields: ['Traceparent', 'abc', 'X-B3-TraceId', 'b3'] }, 'b3'],
  ['TraceID', { fields: ['Traceparent', '-'] }, ''],
  ['TraceID', {}, ''],
]
for (const [path, request, expected] of rows) {
  t.test(`.${path} of ${JSON.stringify(request)}`, async t => t.equal(read(path, {}, request), expected))
}

t.test('a body of HTTP/2 without a length is of unknown length', async t => {
  t.equal(read('Request.ContentLength', { bytesReceived: 3 }, { version: '2' }), -1)
  t.equal(read('Request.ContentLength', {}, { version: '2' }), 0)
})

t.test('an address of IPv6 is in brackets, and its port follows', async t => {
  const summary = summaryOf()
  const from = (each: object) => ({ ...summary, head: { ...summary.head, from: { ...summary.head.from, ...each } } })
  const address = member('Request.RemoteAddr')
  t.equal(address?.read?.(from({ address: '::1' })), '[::1]')
  t.equal(address?.read?.(from({ address: '::1', port: 5 })), '[::1]:5')
  t.equal(address?.read?.(from({ port: 80 })), '192.0.2.1:80')
})

const codes: [name: string, over: Partial<Summary>, expected: number][] = [
  ['a response that broke off is a 500', { end: 'upstream-failed' }, 500],
  ['so is one that never began', { ...refused, end: 'cut', status: 0 }, 500],
  ['a client that left is a 499', { end: 'client-left', status: 499, responded: false }, 499],
  ['a tunnel is a 101', { status: 101, end: 'cut' }, 101],
  ['a client that left later keeps what it was sent', { end: 'client-left' }, 200],
]
for (const [name, over, expected] of codes) t.test(name, async t => t.equal(statusOf(summaryOf(over)), expected))

t.test('the latency is in whole nanoseconds, added up as Go does', async t => {
  const of = (totalMs: number) => latency(summaryOf({ totalMs }))
  t.same([of(1.2345678), of(0), of(1234.56789), of(0.051234)], [0.001234568, 0, 1.2345678900000001, 0.000051234])
})

t.test('header fields by name', async t => {
  t.same(['x-foo', 'CONTENT-length', 'a b', ''].map(canonical), ['X-Foo', 'Content-Length', 'a b', ''])
  const request = head({ fields: ['X-Foo', '1', 'X-Foo', '2', 'Host', 'h'] })
  t.same(
    [headerField(request, 'x-FOO'), headerField(request, 'Host'), headerField(request, 'x')],
    ['1', undefined, undefined],
  )
  const header = member('Request.Header')
  const call = (name: string, argument: string) =>
    header?.members?.get(name)?.method?.call(summaryOf({}, { fields: ['X-Foo', '1'] }), argument)
  t.same([call('Get', 'x-foo'), call('Get', 'y'), call('Values', 'X-Foo'), call('Values', 'y')], ['1', '', ['1'], []])
})

t.test('what only Go knows is known as such', async t => {
  for (const path of ['Request.Body', 'Request.URL.Query', 'Request.Header.Set']) t.ok(member(path)?.refused, path)
  t.equal(member('Request.Nope'), undefined)
})
