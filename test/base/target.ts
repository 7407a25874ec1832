import t from 'tap'
import { headProblem, parseTarget, validHost } from '../../src/base/target.ts'

const targets: [name: string, target: string, path: string | undefined, authority?: string][] = [
  ['an origin form passes byte for byte', '/a%2Fb//../c;p=1?x=%zz', '/a%2Fb//../c;p=1?x=%zz'],
  ['bytes that Go would encode pass as they are', '/a[1]{x}|^`"<>', '/a[1]{x}|^`"<>'],
  ['an absolute form names the host', 'http://other.example/p?q', '/p?q', 'other.example'],
  ['an absolute form without a path asks for the root', 'http://other.example', '/', 'other.example'],
  ['an absolute form with only a query asks for the root', 'http://other.example?x=1', '/?x=1', 'other.example'],
  ['user information is dropped', 'http://u:p@other.example/x', '/x', 'other.example'],
  ['any scheme will do', 'ftp://other.example:21/x', '/x', 'other.example:21'],
  ['the asterisk passes', '*', '*'],
  ['a broken escape in the path is refused', '/%zz', undefined],
  ['a lone per cent sign is refused', '/%', undefined],
  ['a broken escape in an absolute path is refused', 'http://h/%z', undefined],
  ['a fragment is refused', '/a#b', undefined],
  ['a fragment behind a query is refused', '/a?b#c', undefined],
  ['an opaque form is refused', 'mailto:x', undefined],
  ['a relative form is refused', 'foo', undefined],
  ['nothing is refused', '', undefined],
  ['an absolute form without a host is refused', 'http:///x', undefined],
  ['a host with forbidden characters is refused', 'http://a b/x', undefined],
]

for (const [name, target, path, authority] of targets) {
  t.test(name, async t => {
    t.same(parseTarget('GET', target), path === undefined ? undefined : { path, authority })
  })
}

t.test('CONNECT has an authority form, which is nobody here to judge', async t => {
  t.same(parseTarget('CONNECT', 'host:443'), { path: 'host:443', authority: undefined })
})

const heads: [name: string, version: string, hosts: string[], problem: string | undefined][] = [
  ['one good Host', '1.1', ['a.example:8080'], undefined],
  ['an empty Host', '1.1', [''], undefined],
  ['an IPv6 literal', '1.1', ['[::1]:80'], undefined],
  ['no Host in 1.0', '1.0', [], undefined],
  ['no Host in 1.1', '1.1', [], '400 Bad Request: missing required Host header'],
  ['two Hosts, even equal ones', '1.1', ['a', 'a'], '400 Bad Request'],
  ['user information in Host', '1.1', ['u@h'], '400 Bad Request: malformed Host header'],
  ['a path in Host', '1.1', ['a/b'], '400 Bad Request: malformed Host header'],
  ['HTTP/2.0 in a request line', '2.0', ['a'], '505 HTTP Version Not Supported: unsupported protocol version'],
]

for (const [name, version, hosts, problem] of heads) {
  t.test(name, async t => {
    t.equal(headProblem(version, hosts), problem)
  })
}

t.test('a valid host holds no space', async t => {
  t.equal(validHost('a_b.example'), true)
  t.equal(validHost('a b'), false)
})
