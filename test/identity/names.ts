import t from 'tap'
import { type Constraints, type Name, nameOutside, namesInclude, wantedName } from '../../src/identity/names.ts'

const wanted: [san: string, kind: Name['kind'] | undefined, value?: string][] = [
  ['dns:App.Example.org', 'dns', 'app.example.org'],
  ['app', 'dns', 'app'],
  ['kn-user-default', 'dns', 'kn-user-default'],
  ['_a.b_c', 'dns', '_a.b_c'],
  ['uri:spiffe://td/ns/a', 'uri', 'spiffe://td/ns/a'],
  ['127.0.0.1', 'ip', '7f000001'],
  ['ip:127.0.0.1', 'ip', '7f000001'],
  ['::1', 'ip', '00000000000000000000000000000001'],
  ['ip:2001:DB8::', 'ip', '20010db8000000000000000000000000'],
  ['1:2:3:4:5:6:7:8', 'ip', '00010002000300040005000600070008'],
  ['::ffff:1.2.3.4', 'ip', '00000000000000000000ffff01020304'],
  ['fe80::1%eth0', undefined],
  ['ip:app', undefined],
  ['dns:127.0.0.1', undefined],
  ['dns:*.example.org', undefined],
  ['dns:a..b', undefined],
  ['dns:a.b.', undefined],
  ['dns:-a', undefined],
  ['', undefined],
  ['dns:', undefined],
  ['a\0b', undefined],
  ['dns:a\n', undefined],
  ['uri:app', undefined],
  ['uri:spiffe://', undefined],
  ['uri:spiffe://user@td/x', undefined],
]
for (const [san, kind, value] of wanted) {
  t.test(`wanted: ${JSON.stringify(san)}`, async t => {
    t.strictSame(wantedName(san), kind === undefined ? undefined : { kind, value })
  })
}

const dns = (value: string): Name => ({ kind: 'dns', value })
const uri = (value: string): Name => ({ kind: 'uri', value })
const ip = (value: string): Name => ({ kind: 'ip', value })
const other: Name = { kind: 'other', value: 'type 1' }

const matches: [name: string, want: Name, have: Name[], expected: boolean][] = [
  ['the same name', dns('a.b.c'), [dns('x'), dns('a.b.c')], true],
  ['case does not matter in DNS names', dns('a.b.c'), [dns('A.b.C')], true],
  ['a wildcard stands for one label', dns('a.b.c'), [dns('*.b.c')], true],
  ['a wildcard does not stand for two', dns('x.a.b.c'), [dns('*.b.c')], false],
  ['a wildcard does not stand for none', dns('b.c'), [dns('*.b.c')], false],
  ['no wildcard right below the top', dns('a.c'), [dns('*.c')], false],
  ['a wildcard alone is nobody', dns('a'), [dns('*')], false],
  ['half a label is no wildcard', dns('ab.b.c'), [dns('a*.b.c')], false],
  ['a wildcard further right is none', dns('a.b.c'), [dns('a.*.c')], false],
  ['a NUL ends nothing', dns('a.b.c'), [dns('a.b.c\0.evil')], false],
  ['a suffix is not enough', dns('a.b.c'), [dns('b.c')], false],
  ['a URI is compared as it is', uri('spiffe://td/a'), [uri('spiffe://td/A')], false],
  ['one URI matches', uri('spiffe://td/a'), [uri('spiffe://td/a'), dns('x')], true],
  ['two URIs are none', uri('spiffe://td/a'), [uri('spiffe://td/a'), uri('spiffe://td/b')], false],
  ['an address matches', ip('7f000001'), [ip('7f000001')], true],
  ['an address as DNS name does not', ip('7f000001'), [dns('127.0.0.1')], false],
  ['nothing matches nothing', dns('a'), [], false],
]
for (const [name, want, have, expected] of matches) {
  t.test(name, async t => {
    t.equal(namesInclude(want, have), expected)
  })
}

const permitted = (...names: Name[]): Constraints => ({ permitted: names, excluded: [] })
const excluded = (...names: Name[]): Constraints => ({ permitted: [], excluded: names })

const limits: [name: string, constraints: Constraints, names: Name[], outside: boolean][] = [
  ['the domain itself', permitted(dns('b.c')), [dns('b.c')], false],
  ['what is below', permitted(dns('b.c')), [dns('a.b.c')], false],
  ['a label that only ends alike', permitted(dns('b.c')), [dns('ab.c')], true],
  ['with a dot, only what is below', permitted(dns('.b.c')), [dns('b.c')], true],
  ['with a dot, what is below', permitted(dns('.b.c')), [dns('a.b.c')], false],
  ['one of two permitted', permitted(dns('x'), dns('b.c')), [dns('a.b.c')], false],
  ['an empty base permits every name', permitted(dns('')), [dns('a')], false],
  ['an empty base excludes every name', excluded(dns('')), [dns('a')], true],
  ['another kind is not limited', permitted(dns('b.c')), [uri('spiffe://td/a')], false],
  ['one name outside is enough', permitted(dns('b.c')), [dns('a.b.c'), dns('x')], true],
  ['excluded wins', { permitted: [dns('c')], excluded: [dns('b.c')] }, [dns('a.b.c')], true],
  ['not excluded', excluded(dns('b.c')), [dns('c')], false],
  ['a URI by its host', permitted(uri('td')), [uri('spiffe://td/a')], false],
  ['a URI below its host is another', permitted(uri('td')), [uri('spiffe://x.td/a')], true],
  ['a URI below, with a dot', permitted(uri('.td')), [uri('spiffe://x.td/a')], false],
  ['a URI with user info is neither permitted', permitted(uri('td')), [uri('spiffe://td@evil/a')], true],
  ['nor spared', excluded(uri('x')), [uri('spiffe://td@evil/a')], true],
  ['a subnet', permitted(ip('0a000000ff000000')), [ip('0a010203')], false],
  ['outside a subnet', permitted(ip('0a000000ff000000')), [ip('0b010203')], true],
  ['the other family is outside', permitted(ip('0a000000ff000000')), [ip('0'.repeat(32))], true],
  ['the other family is not excluded', excluded(ip('0a000000ff000000')), [ip('0'.repeat(32))], false],
  ['a subnet of odd length excludes', excluded(ip('0a00')), [ip('0a010203')], true],
  ['forms that we cannot read admit none', permitted(other), [other], true],
]
for (const [name, constraints, names, outside] of limits) {
  t.test(`constraints: ${name}`, async t => {
    t.equal(nameOutside(constraints, names) !== undefined, outside)
  })
}
