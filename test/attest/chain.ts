import t from 'tap'
import { readCertificate } from '../../src/attest/certificate.ts'
import { datesOf, requireDates, requireLink, requireRoot, stations } from '../../src/attest/chain.ts'
import { ecKeys, KeyUsageFlags, makeCertificate, names, type Request } from '../support/certificates.ts'
import { complaint, outcome } from '../support/outcome.ts'

const keys = { root: ecKeys(), signing: ecKeys(), stranger: ecKeys() }
const make = async (request: Partial<Request>) =>
  readCertificate(await makeCertificate({ name: names.root, keys: keys.root, ca: true, pathLength: 1, ...request }))
const root = await make({})
const signing = (request: Partial<Request> = {}) =>
  make({
    name: 'SYNTHETIC SGX TCB Signing',
    keys: keys.signing,
    issuer: { name: names.root, keys: keys.root },
    ca: false,
    pathLength: undefined,
    ...request,
  })

const roots: [name: string, request: Partial<Request>, message: string][] = [
  ['a root', {}, 'ok'],
  ['another name', { name: 'Root CA' }, 'root: want SGX Root CA'],
  ['issued by another', { issuer: { name: 'x', keys: keys.root } }, 'the root is not self-issued'],
  ['signed by another', { issuer: { name: names.root, keys: keys.stranger } }, 'the root is not signed by itself'],
  ['no CA', { ca: false, pathLength: undefined }, 'root: want a CA that may sign what is below it'],
  ['a CA that has none below', { pathLength: 0 }, 'root: want a CA'],
  ['one that signs no certificates', { usages: KeyUsageFlags.cRLSign }, 'root: want a CA'],
  ['SHA-384', { hash: 'SHA-384' }, 'root: want a P-256 key and ECDSA with SHA-256'],
  ['P-384', { keys: ecKeys('P-384') }, 'root: want a P-256 key and ECDSA with SHA-256'],
]
for (const [name, request, message] of roots) {
  t.test(`root: ${name}`, async t => {
    const certificate = await make(request)
    t.match(
      complaint(() => requireRoot(certificate)),
      message,
    )
    if (message !== 'ok') {
      t.equal(
        outcome(() => requireRoot(certificate)),
        'quote-unverified',
      )
    }
  })
}

const links: [name: string, request: Partial<Request>, message: string][] = [
  ['good', {}, 'ok'],
  [
    'another name',
    { name: 'SYNTHETIC SGX PCK Certificate' },
    'want SGX TCB Signing in its common name, got SYNTHETIC SGX PCK',
  ],
  ['issued by another', { issuer: { name: 'x', keys: keys.root } }, 'is not issued by the root'],
  ['signed by another', { issuer: { name: names.root, keys: keys.stranger } }, 'is not signed by the root'],
  ['a CA', { ca: true, usages: KeyUsageFlags.digitalSignature }, 'must not be a CA'],
  ['one that signs certificates', { usages: KeyUsageFlags.keyCertSign }, 'must not be a CA'],
  ['one that signs lists', { usages: KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature }, 'must not be a CA'],
  ['one that signs nothing', { usages: KeyUsageFlags.keyAgreement }, 'want a key that may sign'],
  [
    'a critical extension that nobody reads',
    { extensions: [{ oid: '2.5.29.37', value: Uint8Array.of(0x30, 0), critical: true }] },
    'critical extension 2.5.29.37 is not understood',
  ],
  ['one that is not critical', { extensions: [{ oid: '2.5.29.37', value: Uint8Array.of(0x30, 0) }] }, 'ok'],
]
for (const [name, request, message] of links) {
  t.test(`TCB signing certificate: ${name}`, async t => {
    const certificate = await signing(request)
    const run = () => requireLink(certificate, stations.tcbSigning, root, stations.root)
    t.match(complaint(run), message)
    if (message !== 'ok') t.equal(outcome(run), 'collateral-unverified')
  })
}

t.test('each station has its own blame', async t => {
  const certificate = await signing({ issuer: { name: 'x', keys: keys.root } })
  for (const station of Object.values(stations)) {
    t.equal(
      outcome(() => requireLink(certificate, station, root, stations.root)),
      station.code,
    )
  }
})

const span = (name: string, from: number, until: number) => ({ name, from, until })
const all = [span('a', 10, 40), span('b', 20, 50)]
const moments: [at: number, off: string | undefined][] = [
  [19, 'b'],
  [20, undefined],
  [40, undefined],
  [41, 'a'],
  [Number.NaN, 'a'],
]
for (const [at, off] of moments) {
  t.test(`dates at ${at}: ${off ?? 'valid'}`, async t => {
    if (off === undefined) t.same(requireDates(all, at, 'collateral-outdated'), { from: 20, until: 40 })
    else {
      t.match(
        complaint(() => requireDates(all, at, 'collateral-outdated')),
        `${off}: not valid at the given time (1970-01-01T00:00:00.0${off === 'a' ? 10 : 20}Z to`,
      )
    }
  })
}

t.test('the dates of a certificate are its own', async t => {
  t.same(datesOf(root, 'x'), { name: 'x', from: root.notBefore, until: root.notAfter })
})
