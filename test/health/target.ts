import t from 'tap'
import {
  compression,
  type Fields,
  has,
  keepsSecrets,
  redirects,
  resolve,
  targetOf,
  without,
  withoutSecrets,
  withReferer,
} from '../../src/health/target.ts'

const at = (host: string, port = 8080, path = 'healthz', scheme: 'http' | 'https' = 'http') =>
  targetOf({ kind: 'http', scheme, host, port, path, headers: [] })

t.test('a declared probe has a URL', async t => {
  t.same(at('127.0.0.1', 8080, 'a?b'), {
    scheme: 'http',
    host: '127.0.0.1',
    port: 8080,
    authority: '127.0.0.1:8080',
    path: '/a?b',
    text: 'http://127.0.0.1:8080/a?b',
  })
  t.equal(at('::1', 1, '', 'https').text, 'https://[::1]:1/')
})

const locations: [location: string, to: string | undefined, port?: number, host?: string][] = [
  ['/next?x', 'http://127.0.0.1:8080/next?x', 8080],
  ['next', 'http://127.0.0.1:8080/a/next', 8080],
  ['https://h.example/x#part', 'https://h.example/x', 443, 'h.example'],
  ['//h.example', 'http://h.example/', 80, 'h.example'],
  ['http://[::1]:9/', 'http://[::1]:9/', 9, '::1'],
  ['http://u:secret@h.example/', 'http://h.example/', 80, 'h.example'],
  ['http://a b/', undefined],
]
for (const [location, to, port, host = '127.0.0.1'] of locations) {
  t.test(`${location} leads to ${to}`, async t => {
    const found = resolve(location, at('127.0.0.1', 8080, 'a/b'))
    t.equal(found?.text, to)
    if (to !== undefined) t.match(found, { port, host })
  })
}

t.test('a redirect has one of five statuses, and a Location', async t => {
  for (const status of [301, 302, 303, 307, 308]) {
    t.ok(redirects({ status, location: '/' }))
    t.notOk(redirects({ status, location: '' }))
  }
  for (const status of [200, 300, 304, 305, 400]) t.notOk(redirects({ status, location: '/' }))
})

t.test('secrets stay with their host and those below it', async t => {
  const fields: Fields = [
    ['Authorization', 'a'],
    ['X-A', 'b'],
    ['cookie', 'c'],
  ]
  t.same(withoutSecrets(fields), [['X-A', 'b']])
  t.ok(keepsSecrets(at('h.example'), at('h.example', 1)))
  t.ok(keepsSecrets(at('h.example'), at('a.h.example')))
  t.notOk(keepsSecrets(at('h.example'), at('ah.example')))
  t.notOk(keepsSecrets(at('a.h.example'), at('h.example')))
})

t.test('the way is told, but not from https to http, nor over what was declared', async t => {
  const from = at('h', 1, 'a')
  t.same(withReferer([], from, at('h')), [['Referer', 'http://h:1/a']])
  t.same(withReferer([['referer', 'r']], from, at('h')), [['referer', 'r']])
  t.same(withReferer([], at('h', 1, 'a', 'https'), at('h')), [])
})

t.test('gzip is accepted unless something particular was declared', async t => {
  t.same(compression([['X-A', 'b']]), [['Accept-Encoding', 'gzip']])
  t.same(compression([['accept-encoding', 'br']]), [])
  t.same(compression([['Range', 'bytes=0-1']]), [])
})

t.test('names of fields match in any case', async t => {
  const fields: Fields = [
    ['A', '1'],
    ['b', '2'],
  ]
  t.ok(has(fields, 'a'))
  t.notOk(has(fields, 'c'))
  t.same(without(fields, ['a', 'c']), [['b', '2']])
})
