import t from 'tap'
import { toHex } from '../../src/base/bytes.ts'
import { policyDigest } from '../../src/config/policy.ts'
import { synthetic } from '../../src/demo/synthetic.ts'
import { type AttestOptions, policyDigestOf, readOptions } from '../../src/function/options.ts'
import { complaint } from '../support/outcome.ts'

const own = 'ee'.repeat(32)
const mrenclave = 'Ab'.repeat(32)
const enclaves = [{ mrenclave }]
const collateral = { sources: [{ kind: 'directory', at: '/collateral' }], maxAgeSeconds: 60 }
const good: AttestOptions = { clients: { enclaves, collateral } }
const service = 'spiffe://c1.example.org/ns/shop/svc/cart'
const ca = { url: 'https://provision.postern.svc:8443', enclaves: [{ mrenclave: 'cc'.repeat(32) }], collateral }
const certified: AttestOptions = { ...good, service, provision: ca }

t.test('what was said becomes a rule that only proxies can satisfy', async t => {
  const settings = readOptions(good, own)
  t.match(settings, {
    service: undefined,
    lifetimeMs: 86_400_000,
    quotesPerSecond: 1,
    clients: {
      directories: ['/collateral'],
      rule: {
        enclaves: [{ mrenclave: mrenclave.toLowerCase() }],
        role: 'proxy',
        service: undefined,
        dangerAllowDebug: false,
        dangerAcceptSynthetic: false,
        maxCollateralAgeMs: 60_000,
        refuse: { mrenclave: own },
      },
    },
  })
})

t.test('clients are of our own service, where there is one', async t => {
  const settings = readOptions({ ...good, service }, own)
  t.same([settings.service, settings.clients?.rule.service], [service, service])
})

t.test('the attesting CA is where it is, and who it must be', async t => {
  const settings = readOptions(certified, own)
  t.match(settings.issuer, {
    at: { host: 'provision.postern.svc', port: 8443 },
    service,
    directories: ['/collateral'],
    rule: { enclaves: ca.enclaves, role: 'provision', maxCollateralAgeMs: 60_000, refuse: { mrenclave: own } },
  })
  t.equal(settings.issuer?.rule.service, undefined, 'it is of no service')
  t.equal(readOptions(good, own).issuer, undefined)
})

t.test('the end of an entry is a time', async t => {
  const until = '2027-03-01T00:00:00Z'
  const settings = readOptions({ clients: { enclaves: [{ mrenclave, until }], collateral } }, own)
  t.equal(settings.clients?.rule.enclaves[0]?.until, Date.parse(until))
})

t.test('anyone', async t => {
  t.equal(readOptions({ clients: 'anyone' }, own).clients, undefined)
})

t.test('what was said about trust has a digest; who is told what happens has none', async t => {
  const digest = (options: AttestOptions): string => toHex(readOptions(options, own).policyDigest)
  const text = JSON.stringify({ service: null, clients: good.clients })
  t.equal(digest(good), toHex(policyDigest(new TextEncoder().encode(text))))
  t.equal(digest({ ...good, report: () => {}, lifetimeSeconds: 60, quotesPerSecond: 2 }), digest(good))
  t.not(digest({ clients: 'anyone' }), digest(good))
  t.not(digest(certified), digest({ ...certified, provision: undefined } as object as AttestOptions))
  t.equal(policyDigestOf(certified), digest(certified), 'which an operator has to know before it runs')
  t.throws(() => policyDigestOf({ ...good, service: 'cart' }), { code: 'policy-invalid' })
})

const bad: [name: string, options: object, message: RegExp][] = [
  ['nobody said who may call', {}, /^attest: \/clients: want an object that says who may call, or "anyone", got null$/],
  ['a word', { clients: 'everyone' }, /\/clients: want .* got "everyone"/],
  ['a list', { clients: [{ mrenclave }] }, /\/clients: want an object/],
  ['no enclaves', { clients: { collateral } }, /\/clients\/enclaves: want this key/],
  ['an empty list', { clients: { enclaves: [], collateral } }, /\/clients\/enclaves: want at least one enclave/],
  [
    'half a measurement',
    { clients: { enclaves: [{ mrenclave: 'ab' }], collateral } },
    /enclaves\/0\/mrenclave: want 64 hex/,
  ],
  ['a misspelt key', { clients: { enclaves: [{ mrEnclave: mrenclave }], collateral } }, /enclaves\/0: want/],
  ['an option that is none', { ...good, client: 1 }, /\/client: want no such key, got 1/],
  [
    'collateral beyond its date',
    { clients: { enclaves, collateral: { ...collateral, dangerPastNextUpdateSeconds: 60 } } },
    /\/clients\/collateral: want sources and maxAgeSeconds alone/,
  ],
  [
    'no collateral',
    { clients: { enclaves } },
    /\/clients\/collateral\/sources: want a directory of Intel's collateral, got 0/,
  ],
  [
    'collateral for synthetic evidence',
    { ...good, dangerSynthetic: synthetic() },
    /\/clients\/collateral\/sources: want nothing, as the evidence is SYNTHETIC/,
  ],
  [
    'a source that is no directory',
    { clients: { enclaves, collateral: { sources: [{ kind: 'pcs', at: 'https://pcs' }] } } },
    /sources\/0\/kind: want "directory", got "pcs"/,
  ],
  ['a CA for nobody', { ...good, provision: ca }, /\/service: want a service, .* got nothing/],
  ['a CA without a place', { ...certified, provision: { ...ca, url: undefined } }, /\/provision\/url: want https:/],
  ['a CA on a path', { ...certified, provision: { ...ca, url: 'https://a/b' } }, /\/provision\/url: want https:/],
  ['a CA without TLS', { ...certified, provision: { ...ca, url: 'http://a' } }, /\/provision\/url: want https:/],
  ['a CA that anybody may be', { ...certified, provision: { ...ca, enclaves: [] } }, /\/provision\/enclaves: want at/],
  ['a CA by its name', { ...certified, provision: 'https://a' }, /\/provision: want an object that says which CA/],
  ['a CA of no measurement', { ...certified, provision: { url: 'https://a' } }, /\/provision\/enclaves: want this key/],
  ['names that the CA does not write', { ...certified, dnsNames: ['a'] }, /\/dnsNames: want nothing/],
  ['a life that the CA does not ask for', { ...certified, lifetimeSeconds: 60 }, /\/lifetimeSeconds: want nothing/],
  ['a service that is none', { ...good, service: 'cart' }, /\/service: want spiffe:/],
  ['a short life', { ...good, lifetimeSeconds: 1 }, /\/lifetimeSeconds: want an integer from 60/],
  ['no quotes', { ...good, quotesPerSecond: 0 }, /\/quotesPerSecond: want an integer from 1/],
]
for (const [name, options, message] of bad) {
  t.test(`${name}: refused`, async t => {
    t.match(
      complaint(() => readOptions(options as AttestOptions, own)),
      message,
    )
  })
}
