import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { chainPem } from '../../src/identity/credential.ts'
import { type ChainAnswer, type ChainQuestion, verifyChain } from '../../src/identity/pki.ts'
import { generateKey, issue, selfSigned } from '../../src/identity/x509.ts'
import { der, ecKeys, type Keys, makeCertificate, type Request } from '../support/certificates.ts'
import { dates, hour, makeIntermediate, makeLeaf, makeRoot, start } from '../support/identity.ts'
import { ext, madeByOpenssl } from '../support/pki.ts'

const root = await makeRoot('root')
const middle = await makeIntermediate(root, 'middle')
const lower = await makeIntermediate(middle, 'lower')
const leaf = await makeLeaf(middle, {
  dnsNames: ['app.example.org', '*.wild.example.org'],
  uris: ['spiffe://td/ns/a/svc/b'],
  extensions: [],
})
const san = 'dns:app.example.org'
const good: ChainQuestion = { leaf, intermediates: [middle.certificate], roots: [root.certificate], at: start, san }

/** Each rule once. */
const rules = (answer: ChainAnswer): string[] => (answer.ok ? [] : [...new Set(answer.reasons.map(({ rule }) => rule))])
const ask = (more: Partial<ChainQuestion>) => verifyChain({ ...good, ...more })

/** A chain of odd certificates: root, CA, leaf, each spoilt on its own. */
async function odd(spoil: { root?: Partial<Request>; ca?: Partial<Request>; leaf?: Partial<Request> }) {
  const keys: Record<'root' | 'ca' | 'leaf', Keys> = { root: ecKeys(), ca: ecKeys(), leaf: ecKeys() }
  const names = { root: 'odd root', ca: 'odd ca' }
  const { root, ca, leaf } = spoil
  const made = {
    root: await makeCertificate({ name: names.root, keys: keys.root, ca: true, ...root }),
    ca: await makeCertificate({
      name: names.ca,
      keys: keys.ca,
      issuer: { name: names.root, keys: keys.root },
      ca: true,
      ...ca,
    }),
    leaf: await makeCertificate({
      name: 'odd leaf',
      keys: keys.leaf,
      issuer: { name: names.ca, keys: keys.ca },
      extensions: [ext.dns('app.example.org')],
      ...leaf,
    }),
  }
  return ask({ leaf: made.leaf, intermediates: [made.ca], roots: [made.root] })
}

t.test('a good chain holds until the first certificate on it ends', async t => {
  t.strictSame(await verifyChain(good), { ok: true, until: dates.notAfter })
  const short = await makeIntermediate(root, 'short', { notAfter: start + hour })
  const below = await makeLeaf(short)
  t.strictSame(await ask({ leaf: below, intermediates: [short.certificate] }), { ok: true, until: start + hour })
  const brief = await makeRoot('brief', { notAfter: start + 2 * hour })
  t.strictSame(await ask({ leaf: await makeLeaf(brief), intermediates: [], roots: [brief.certificate] }), {
    ok: true,
    until: start + 2 * hour,
  })
  t.match(await odd({}), { ok: true })
})

t.test('intermediates may come in any order, twice, with strangers, and with what is already known', async t => {
  const deep = await makeLeaf(lower)
  const stranger = await makeIntermediate(await makeRoot('other'), 'stranger')
  const intermediates = [lower, stranger, root, middle, lower].map(({ certificate }) => certificate)
  t.match(await ask({ leaf: deep, intermediates: [...intermediates, deep] }), { ok: true })
  t.match(await ask({ leaf: deep, intermediates, roots: [stranger.certificate, root.certificate] }), { ok: true })
  t.match(
    await ask({ leaf: deep, intermediates: [lower.certificate], roots: [middle.certificate] }),
    { ok: true },
    'an anchor need not be self-signed',
  )
})

const names: [san: string, ok: boolean][] = [
  ['app.example.org', true],
  ['APP.example.org', true],
  ['dns:a.wild.example.org', true],
  ['dns:a.b.wild.example.org', false],
  ['dns:wild.example.org', false],
  ['uri:spiffe://td/ns/a/svc/b', true],
  ['uri:spiffe://td/ns/a/svc/c', false],
  ['dns:other.example.org', false],
  ['dns:leaf', false],
  ['leaf', false],
  ['127.0.0.1', false],
  ['dns:*.wild.example.org', false],
  ['', false],
]
for (const [name, ok] of names) {
  t.test(`the name ${JSON.stringify(name)} is ${ok ? 'accepted' : 'refused'}`, async t => {
    const answer = await ask({ san: name })
    t.strictSame([answer.ok, rules(answer)], [ok, ok ? [] : ['san']])
  })
}

t.test('a name that stands only in the subject is no name', async t => {
  const subject = { commonName: 'app.example.org' }
  const answer = await ask({ leaf: await makeLeaf(middle, { subject, dnsNames: [] }) })
  t.match(answer, { ok: false, reasons: [{ rule: 'san', want: 'dns:app.example.org', got: 'no name' }] })
})

t.test('addresses are matched by their bytes', async t => {
  const leaf = { extensions: [ext.ip(127, 0, 0, 1)] }
  const chain = await (async () => {
    const keys = ecKeys()
    const root = await makeCertificate({ name: 'r', keys, ca: true })
    return { root, leaf: await makeCertificate({ name: 'l', keys: ecKeys(), issuer: { name: 'r', keys }, ...leaf }) }
  })()
  const asked = { leaf: chain.leaf, intermediates: [], roots: [chain.root] }
  t.match(await ask({ ...asked, san: 'ip:127.0.0.1' }), { ok: true })
  t.match(await ask({ ...asked, san: '127.0.0.1' }), { ok: true })
  t.match(rules(await ask({ ...asked, san: '127.0.0.2' })), ['san'])
})

t.test('dates', async t => {
  const late = { notBefore: start - 3 * hour, notAfter: start - hour }
  const early = { notBefore: start + hour, notAfter: start + 3 * hour }
  const [oldCa, newCa] = [await makeIntermediate(root, 'old', late), await makeIntermediate(root, 'new', early)]
  const [oldRoot, newRoot] = [await makeRoot('old', late), await makeRoot('new', early)]
  const via = async (ca: typeof middle) => ({ leaf: await makeLeaf(ca), intermediates: [ca.certificate] })
  const cases: [name: string, question: Partial<ChainQuestion>, rule: string][] = [
    ['expired leaf', { leaf: await makeLeaf(middle, late) }, 'not-after'],
    ['leaf not yet valid', { leaf: await makeLeaf(middle, early) }, 'not-before'],
    ['expired intermediate', await via(oldCa), 'not-after'],
    ['intermediate not yet valid', await via(newCa), 'not-before'],
    ['expired root', { leaf: await makeLeaf(oldRoot), roots: [oldRoot.certificate] }, 'not-after'],
    ['root not yet valid', { leaf: await makeLeaf(newRoot), roots: [newRoot.certificate] }, 'not-before'],
    ['all, after the end', { at: dates.notAfter }, 'not-after'],
    ['all, before the start', { at: dates.notBefore - 1 }, 'not-before'],
  ]
  for (const [name, question, rule] of cases) t.match(rules(await ask(question)), [rule], name)
  for (const at of [Number.NaN, Number.POSITIVE_INFINITY, 1e300]) t.match(rules(await ask({ at })), ['at'])
  t.match(await ask({ at: dates.notAfter - 1 }), { ok: true })
  t.match(await ask({ at: dates.notBefore }), { ok: true })
})

t.test('one expired path does not hide another that holds', async t => {
  const keys = generateKey()
  const subject = { commonName: 'twice' }
  const ca = (notAfter: number) =>
    issue({ ...dates, notAfter, subject, issuer: root, publicKey: keys.publicKey, ca: {} })
  const [old, fresh] = [await ca(start - 1000), await ca(start + hour)]
  const below = await makeLeaf({ certificate: old, key: keys.privateKey, publicKey: keys.publicKey })
  t.strictSame(await ask({ leaf: below, intermediates: [old, fresh] }), { ok: true, until: start + hour })
})

t.test('who may sign', async t => {
  const path = await makeIntermediate(root, 'path', { pathLength: 0 })
  const under = await makeIntermediate(path, 'under')
  const notCa = generateKey()
  const plain = await issue({ ...dates, subject: { commonName: 'plain' }, issuer: root, publicKey: notCa.publicKey })
  const plainIssuer = { certificate: plain, key: notCa.privateKey, publicKey: notCa.publicKey }
  const shortRoot = await makeRoot('short', { pathLength: 0 })
  const underShort = await makeIntermediate(shortRoot, 'under short')
  t.match(rules(await ask({ leaf: await makeLeaf(plainIssuer), intermediates: [plain] })), ['chain'])
  t.match(rules(await ask({ leaf: await makeLeaf(under), intermediates: [under.certificate, path.certificate] })), [
    'path-length',
  ])
  t.match(await ask({ leaf: await makeLeaf(path), intermediates: [path.certificate] }), { ok: true })
  const belowShort = { leaf: await makeLeaf(underShort), intermediates: [underShort.certificate] }
  t.match(
    rules(await ask({ ...belowShort, roots: [shortRoot.certificate] })),
    ['path-length'],
    "the root's limit counts",
  )
  t.match(rules(await odd({ ca: { ca: false, usages: 0x04 } })), ['chain'])
  t.match(rules(await odd({ root: { ca: false, usages: 0x04 } })), ['chain'])
  t.match(rules(await odd({ ca: { usages: 0x80 } })), ['chain'], 'a CA without keyCertSign')
})

t.test('roots', async t => {
  const twin = await makeRoot('root')
  const alien = await makeRoot('alien')
  t.match(rules(await ask({ roots: [twin.certificate] })), ['chain'], 'a root of the same name with another key')
  t.match(rules(await ask({ roots: [alien.certificate] })), ['chain'])
  t.match(rules(await ask({ roots: [] })), ['root'])
  t.match(rules(await ask({ intermediates: [] })), ['chain'])
  t.match(rules(await ask({ intermediates: [middle.certificate, root.certificate], roots: [alien.certificate] })), [
    'chain',
  ])
  t.match(await ask({ roots: [twin.certificate, alien.certificate, root.certificate] }), { ok: true })
})

t.test('a root of the same name, without key identifiers, fails by its signature', async t => {
  const [real, twin, keys] = [ecKeys(), ecKeys(), ecKeys()]
  const twinRoot = await makeCertificate({ name: 'r', keys: twin, ca: true })
  const issuer = { name: 'r', keys: real }
  const below = await makeCertificate({ name: 'l', keys, issuer, extensions: [ext.dns('app.example.org')] })
  const answer = await ask({ leaf: below, intermediates: [], roots: [twinRoot] })
  t.strictSame(rules(answer), ['signature', 'chain'])
})

t.test('a self-signed leaf is nobody, even as its own root', async t => {
  const key = generateKey()
  const alone = await selfSigned({ ...dates, subject: { commonName: 'a' }, key, dnsNames: ['app.example.org'] })
  t.match(rules(await ask({ leaf: alone, intermediates: [] })), ['chain'])
  t.match(rules(await ask({ leaf: alone, intermediates: [], roots: [alone] })), ['chain'])
  t.match(
    rules(await ask({ leaf: alone, intermediates: [alone, middle.certificate], roots: [alone, root.certificate] })),
    ['chain'],
  )
})

t.test('a CA is not a server', async t => {
  const ca = await makeIntermediate(root, 'ca', { dnsNames: ['app.example.org'] })
  t.match(rules(await ask({ leaf: ca.certificate, intermediates: [] })), ['leaf', 'key-usage'])
})

t.test('another certificate among the intermediates is never judged instead of the leaf', async t => {
  const bad = await makeLeaf(middle, { dnsNames: ['bad.example.org'] })
  t.match(rules(await ask({ leaf: bad, intermediates: [bad, middle.certificate, leaf] })), ['san'])
  t.match(rules(await ask({ leaf: bad, intermediates: [leaf, middle.certificate, bad] })), ['san'])
})

t.test('any byte of a signature counts', async t => {
  const flip = (bytes: Uint8Array, from: number) =>
    bytes.map((byte, at) => (at === bytes.length - from ? byte ^ 1 : byte))
  for (const from of [1, 20, 40]) {
    t.equal((await ask({ leaf: flip(leaf, from) })).ok, false)
    t.equal((await ask({ intermediates: [flip(middle.certificate, from)] })).ok, false)
  }
  // Inside what is signed: the name.
  const at = Buffer.from(leaf).indexOf('app.example.org')
  const forged = Uint8Array.from(leaf)
  forged.set(Buffer.from('bpp'), at)
  t.match(rules(await ask({ leaf: forged, san: 'dns:bpp.example.org' })), ['signature', 'chain'])
})

t.test('extensions', async t => {
  const name = ext.dns('app.example.org')
  const cases: [name: string, spoil: Parameters<typeof odd>[0], rules: string[]][] = [
    ['unknown and critical, in the leaf', { leaf: { extensions: [name, ext.unknown(true)] } }, ['extension']],
    ['unknown and critical, in the CA', { ca: { extensions: [ext.unknown(true)] } }, ['extension']],
    ['unknown and critical, in the root', { root: { extensions: [ext.unknown(true)] } }, ['extension']],
    [
      'unknown and not critical',
      { leaf: { extensions: [name, ext.unknown(false)] }, ca: { extensions: [ext.unknown(false)] } },
      [],
    ],
    ['server usage', { leaf: { extensions: [name, ext.usages(1)] } }, []],
    ['client usage only', { leaf: { extensions: [name, ext.usages(2)] } }, ['usage']],
    ['any usage is not server usage in a leaf', { leaf: { extensions: [name, ext.anyUsage] } }, ['usage']],
    ['a CA for clients only', { ca: { extensions: [ext.usages(2)] } }, ['usage']],
    ['a CA for servers', { ca: { extensions: [ext.usages(2, 1)] } }, []],
    ['a CA for any usage', { ca: { extensions: [ext.anyUsage] } }, []],
    ['a leaf that may not sign', { leaf: { extensions: [name], usages: 0x20 } }, ['key-usage']],
    ['names that cannot be read', { leaf: { extensions: [ext.broken('2.5.29.17')] } }, ['chain']],
    ['limits that cannot be read', { ca: { extensions: [ext.broken('2.5.29.30')] } }, ['chain']],
    ['usages that cannot be read', { leaf: { extensions: [name, ext.broken('2.5.29.37')] } }, ['chain']],
    ['the same one twice', { leaf: { extensions: [name, ext.dns('b')] } }, ['certificate']],
  ]
  for (const [name, spoil, wanted] of cases) {
    const answer = await odd(spoil)
    const got = rules(answer).filter(rule => rule !== 'engine')
    t.strictSame([answer.ok, got], [wanted.length === 0, wanted], name)
  }
})

t.test('the usage asked for is a parameter', async t => {
  const client = await makeLeaf(middle, { usages: ['clientAuth'] })
  t.match(rules(await ask({ leaf: client })), ['usage'])
  t.match(await ask({ leaf: client, usage: 'clientAuth' }), { ok: true })
})

t.test('name constraints', async t => {
  const dns = 0x82
  const limit = (...names: Parameters<typeof ext.names>) => ({ extensions: [ext.names(...names)] })
  const cases: [name: string, spoil: Parameters<typeof odd>[0], ok: boolean][] = [
    ['permitted', { ca: limit('permitted', dns, 'example.org') }, true],
    ['not permitted', { ca: limit('permitted', dns, 'example.com') }, false],
    ['excluded', { ca: limit('excluded', dns, 'example.org') }, false],
    ['not excluded', { ca: limit('excluded', dns, 'example.com') }, true],
    ['by the root', { root: limit('permitted', dns, 'example.com') }, false],
    [
      'a CA below cannot widen',
      { root: limit('permitted', dns, 'example.com'), ca: limit('permitted', dns, 'example.org') },
      false,
    ],
    ['of another form', { ca: limit('permitted', 0x86, 'example.com') }, true],
    ['of a form that is not evaluated', { ca: limit('excluded', 0xa4, der(0x30)) }, false],
    [
      'a wildcard that covers an excluded name',
      { ca: limit('excluded', dns, 'app.example.org'), leaf: { extensions: [ext.dns('*.example.org')] } },
      false,
    ],
  ]
  for (const [name, spoil, ok] of cases) {
    const answer = await odd(spoil)
    t.equal(answer.ok, ok, name)
    if (!ok) t.equal(rules(answer)[0], 'name-constraints', name)
  }
})

t.test('two authorities that certify each other do not keep us busy', async t => {
  const [a, b] = [generateKey(), generateKey()]
  const aRoot = await makeRoot('a')
  const named = (name: string, publicKey: typeof a.publicKey, issuer: typeof root) =>
    issue({ ...dates, subject: { commonName: name }, publicKey, issuer, ca: {} })
  const seed = await named('A', a.publicKey, aRoot)
  const bByA = await named('B', b.publicKey, { certificate: seed, key: a.privateKey, publicKey: a.publicKey })
  const aByB = await named('A', a.publicKey, { certificate: bByA, key: b.privateKey, publicKey: b.publicKey })
  const below = await makeLeaf({ certificate: aByB, key: a.privateKey, publicKey: a.publicKey })
  t.match(rules(await ask({ leaf: below, intermediates: [aByB, bByA] })), ['chain'])
})

t.test('many authorities that certify one another end in a refusal, soon', async t => {
  const keys = Array.from({ length: 8 }, () => ecKeys())
  const name = 'same'
  const meshed = await Promise.all(
    keys.map((key, at) =>
      makeCertificate({ name, keys: key, ca: true, issuer: { name, keys: keys[(at + 1) % 8] ?? key } }),
    ),
  )
  const leaf = await makeCertificate({ name: 'l', keys: ecKeys(), issuer: { name, keys: keys[0] ?? ecKeys() } })
  const from = performance.now()
  const answer = await ask({ leaf, intermediates: meshed })
  t.equal(answer.ok, false)
  t.ok(performance.now() - from < 2000)
})

t.test('a chain is bounded', async t => {
  const many = new Array<Uint8Array>(9).fill(middle.certificate)
  t.match(rules(await ask({ intermediates: many })), ['chain'])
  let last = root
  const long: Uint8Array[] = []
  for (let depth = 0; depth < 5; depth += 1) {
    last = await makeIntermediate(last, `depth ${depth}`)
    long.push(last.certificate)
  }
  t.match(rules(await ask({ leaf: await makeLeaf(last), intermediates: long })), ['chain'])
})

t.test('bytes that are no certificate are refused, wherever they stand', async t => {
  const junk = (text: string) => Buffer.from(text)
  const all = await ask({ leaf: junk('leaf'), intermediates: [junk('middle')], roots: [junk('root')] })
  t.match(all, { reasons: [{ want: /^leaf/ }, { want: /^root/ }, { want: /^intermediate/ }] })
  t.match(rules(all), ['certificate'])
  t.match(rules(await ask({ leaf: Buffer.concat([leaf, Buffer.of(0)]) })), ['certificate'])
  t.match(rules(await ask({ leaf: Buffer.from(chainPem([leaf])) })), ['certificate'], 'PEM is not DER')
})

t.test('PEM inside a certificate misleads nobody', async t => {
  // The bait chains to the root; the leaf that holds it does not.
  const bait = Buffer.from(`${chainPem([leaf])}${chainPem([middle.certificate])}\0`)
  const extensions = [{ oid: '2.23.133.5.4.9', value: bait }]
  const alien = await makeRoot('alien')
  const trap = await makeLeaf(alien, { extensions })
  t.match(rules(await ask({ leaf: trap })), ['chain'])
  const own = await makeLeaf(middle, { extensions, dnsNames: ['other.example.org'] })
  t.match(rules(await ask({ leaf: own })), ['san'])
  t.match(await ask({ leaf: own, san: 'other.example.org' }), { ok: true })
})

t.test('every reason is given at once', async t => {
  const bad = await makeLeaf(middle, {
    notBefore: start - 2 * hour,
    notAfter: start - hour,
    usages: ['clientAuth'],
    dnsNames: ['x'],
  })
  t.strictSame(rules(await ask({ leaf: bad })), ['not-after', 'usage', 'san'])
})

const missing = spawnSync('openssl', ['version']).error ? 'no openssl on this machine' : false

t.test('an intermediate of which nothing says that it is a CA', { skip: missing }, async t => {
  const made = madeByOpenssl(t.testdir({}), ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], ['-sha256'], true)
  const intermediates = [made.leaf]
  const answer = await ask({ leaf: made.below, intermediates, roots: [made.root], at: Date.now() + 1000 })
  t.strictSame(rules(answer), ['ca'])
})

const algorithms: [name: string, algorithm: string[], digest: string[], rules: string[]][] = [
  ['RSA', ['rsa:2048'], ['-sha256'], []],
  ['P-384', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'], ['-sha384'], []],
  ['P-521', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521'], ['-sha512'], []],
  ['Ed25519', ['ed25519'], [], ['algorithm']],
  ['SHA-1', ['rsa:2048'], ['-sha1'], ['algorithm']],
  ['RSA of 1024 bits', ['rsa:1024'], ['-sha256'], ['key']],
  ['secp256k1', ['ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'], ['-sha256'], ['key']],
  ['RSA-PSS', ['rsa:2048'], ['-sha256', '-sigopt', 'rsa_padding_mode:pss'], ['algorithm']],
]
for (const [name, algorithm, digest, wanted] of algorithms) {
  t.test(`algorithms: ${name}`, { skip: missing }, async t => {
    const made = madeByOpenssl(mkdtempSync(join(t.testdir({}), 'x')), algorithm, digest)
    const answer = await ask({ leaf: made.leaf, intermediates: [], roots: [made.root], at: Date.now() + 1000 })
    t.strictSame([answer.ok, rules(answer)], [wanted.length === 0, wanted], JSON.stringify(answer))
  })
}
