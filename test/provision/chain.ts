// The CA below a root that is not here: a request for its certificate, a signature by whoever has the root's key, and
// certificates that hang from it.

import { spawnSync } from 'node:child_process'
import { createHash, createPublicKey, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { readRequest } from '../../src/attest/csr.ts'
import { systemClock } from '../../src/base/clock.ts'
import { chainPem, checkCredential } from '../../src/identity/credential.ts'
import { readAnswer } from '../../src/identity/issuance.ts'
import { verifyChain } from '../../src/identity/pki.ts'
import { provisionSource } from '../../src/identity/sources/provision.ts'
import { type Fields, generateKey, issue } from '../../src/identity/x509.ts'
import { readChain } from '../../src/provision/chain.ts'
import { makeTee, spkiOf } from '../support/evidence.ts'
import { makeIntermediate, makeRoot, type TestAuthority } from '../support/identity.ts'
import { complaint } from '../support/outcome.ts'
import {
  ask,
  call,
  json,
  makeAsked,
  makeOptions,
  policyDigest,
  policySet,
  revocationSet,
  service,
  sha256,
  startCa,
  unlock,
} from '../support/provision.ts'

const hour = 3_600_000
const now = Date.now()
const valid = { notBefore: now - hour, notAfter: now + 24 * hour }
const key = generateKey()

/** PEM for our key. */
async function own(issuer: TestAuthority, more: Partial<Fields> & { ca?: object | undefined } = {}): Promise<string> {
  const { ca = {}, ...fields } = more
  const subject = { commonName: 'postern provision demo' }
  const publicKey = key.publicKey
  return chainPem([await issue({ ...valid, subject, publicKey, issuer, ...('ca' in more ? {} : { ca }), ...fields })])
}
const pem = ({ certificate }: TestAuthority): string => chainPem([certificate])

t.test('a chain is taken in its order, with or without the root', async t => {
  const root = await makeRoot('root', valid)
  const middle = await makeIntermediate(root, 'middle', { ...valid, notAfter: now + hour })
  const read = (text: string) => readChain(Buffer.from(text), { spki: spkiOf(key), root: root.certificate }, now)
  const [direct, below] = [await own(root), await own(middle)]
  t.equal(chainPem(read(direct).certificates), direct)
  t.equal(chainPem(read(direct + pem(root)).certificates), direct)
  t.equal(chainPem(read(below + pem(middle)).certificates), below + pem(middle))
  t.equal(Math.round((read(below + pem(middle)).notAfter - now) / hour), 1, 'until the first of them ends')
})

t.test('what peers would not verify is refused with its reason', async t => {
  const root = await makeRoot('root', valid)
  const other = await makeRoot('root', valid)
  const narrow = await makeRoot('narrow', { ...valid, pathLength: 0 })
  const middle = await makeIntermediate(narrow, 'middle', valid)
  const stranger = await makeIntermediate(root, 'stranger', valid)
  const cases: [name: string, text: string, why: RegExp, root?: TestAuthority][] = [
    ['nothing', '', /want nothing behind|want 1 to 4 certificates in PEM, got 0/],
    ['words around it', `hello\n${await own(root)}`, /chain: malformed PEM/],
    [
      'no certificate',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      /certificate 1: want X\.509 v3/,
    ],
    ["another key's", pem(stranger), /certificate 1: want one for this CA's key/],
    ['the root alone', pem(root), /certificate 1: want one for this CA's key/],
    ['below another root of that name', await own(other), /certificate 1: want one that is signed by the next/],
    ['a link that is missing', await own(middle), /certificate 1: want one that is signed by the next/, narrow],
    ['a path that is too long', (await own(middle)) + pem(middle), /root: want a pathlen of at least 2, got 0/, narrow],
    ['an end entity', await own(root, { ca: undefined }), /certificate 1: want basicConstraints CA:TRUE/],
    ['one that ended', await own(root, { notAfter: now - 1_000 }), /certificate 1: want one that counts at/],
    ['one that only calls', await own(root, { usages: ['clientAuth'] }), /certificate 1: want no extendedKeyUsage/],
  ]
  for (const [name, text, why, above = root] of cases) {
    const chain = { spki: spkiOf(key), root: above.certificate }
    t.match(
      complaint(() => readChain(Buffer.from(text), chain, now)),
      why,
      name,
    )
  }
  t.equal(
    readChain(
      Buffer.from(await own(root, { usages: ['serverAuth', 'clientAuth'] })),
      { spki: spkiOf(key), root: root.certificate },
      now,
    ).certificates.length,
    1,
  )
})

/** The request for the CA's certificate, PEM. */
const requestOf = async (port: number): Promise<string> =>
  (await call(port, { method: 'GET', path: '/v1/csr' })).body.toString()

/** A certificate for the key of a request. */
async function signedBy(issuer: TestAuthority, request: string): Promise<string> {
  const { spki } = readRequest(new Uint8Array(Buffer.from(request.replaceAll(/-----[A-Z ]+-----/g, ''), 'base64')))
  const publicKey = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  return chainPem([
    await issue({ ...valid, subject: { commonName: 'below' }, publicKey, issuer, ca: { pathLength: 0 } }),
  ])
}

t.test('it waits for a certificate of its root, signs below it, and takes another without a restart', async t => {
  const root = await makeRoot('root', { ...valid, notAfter: now + 48 * hour })
  const running = await startCa({ options: makeOptions({ root: pem(root) }) })
  t.teardown(() => running.drain())
  const state = async () => json(await call(running.port, { method: 'GET', path: '/v1/state' }))
  const refusal = async (...about: Parameters<typeof unlock>) => json(await unlock(...about))['detail']
  t.match(await state(), { locked: true, certificate: null })
  t.equal((await call(running.port, { method: 'GET', path: '/v1/bundle' })).body.toString(), pem(root))
  t.match(await refusal(running.port), /chain: want the certificate that the root of the options gives this CA/)
  const first = await signedBy(root, await requestOf(running.port))
  t.match(await refusal(running.port, { chain: sha256('x') }, { chain: first }), /chain: want the hash/)
  t.equal((await unlock(running.port, {}, { chain: first })).status, 204)
  const certificate = (await state())['certificate']
  t.equal(certificate, createHash('sha256').update(new X509Certificate(first).raw).digest('hex'))

  const issued = async () => {
    const asked = await makeAsked()
    return readAnswer((await call(running.port, { body: exported => ask(asked, exported) })).body)
  }
  const { chain, bundle } = await issued()
  t.equal(chain.length, 2)
  t.equal(chainPem(bundle), pem(root))
  const [leaf, ...intermediates] = chain
  const question = { leaf, intermediates, roots: bundle, at: now, san: `uri:${service}/proxy` }
  t.match(await verifyChain(question), { ok: true })
  t.match(await verifyChain({ ...question, intermediates: [] }), { ok: false })

  t.equal((await unlock(running.port)).status, 204, 'new sets go with the certificate that is there')
  t.equal((await state())['certificate'], certificate)
  const second = await signedBy(root, await requestOf(running.port))
  t.equal((await unlock(running.port, {}, { chain: second })).status, 204)
  t.equal(chainPem((await issued()).chain.slice(1)), second)
})

t.test('the proxy takes such a certificate, whose time its issuer has signed', async t => {
  const root = await makeRoot('root', valid)
  const running = await startCa({ options: makeOptions({ root: pem(root) }) })
  t.teardown(() => running.drain())
  await unlock(running.port, {}, { chain: await signedBy(root, await requestOf(running.port)) })
  const stop = new AbortController()
  const source = provisionSource({
    source: makeTee(),
    role: 'workload',
    policyDigest,
    service,
    dnsNames: [],
    clock: systemClock,
    authority: 'ca',
    connect: () =>
      new Promise((resolve, reject) => {
        const socket = connect({ port: running.port, host: '127.0.0.1', rejectUnauthorized: false })
        socket.once('error', reject)
        socket.once('secureConnect', () => resolve(socket))
      }),
    learned: ({ bundle }) => t.equal(chainPem(bundle), pem(root)),
  })
  for await (const credential of source.credentials(stop.signal, fault => t.fail(fault.message))) {
    t.equal(credential.chain.length, 2)
    t.doesNotThrow(() => checkCredential(credential, Date.now()))
    stop.abort()
  }
})

t.test('a CA that is its own root takes no chain', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  const root = await makeRoot('root', valid)
  const chain = await signedBy(root, await requestOf(running.port))
  t.match(json(await unlock(running.port, {}, { chain })), { status: 403, detail: /the options name no root/ })
})

const missing = spawnSync('openssl', ['version']).error !== undefined
const noOpenssl = { skip: missing && 'NO OPENSSL: its opinion of the chain was not asked' }
const extensions = `basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = URI:spiffe://c1.example.org
`

t.test('OpenSSL signs the request with a root of its own, and verifies what hangs from it', noOpenssl, async t => {
  const withoutId = extensions.replace('subjectKeyIdentifier = hash', 'subjectKeyIdentifier = none')
  const folder = t.testdir({ 'ca.ext': extensions, 'no-id.ext': withoutId })
  const openssl = (line: string) => spawnSync('openssl', line.split(' '), { cwd: folder, encoding: 'utf8' })
  const root = '-subj /CN=root -days 30 -addext keyUsage=critical,keyCertSign,cRLSign'
  const made = openssl(
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.pem ${root}`,
  )
  t.equal(made.status, 0, made.stderr)
  const file = (name: string): string => join(folder, name)
  const running = await startCa({ options: makeOptions({ root: readFileSync(file('root.pem'), 'utf8') }) })
  t.teardown(() => running.drain())
  writeFileSync(file('ca.csr'), await requestOf(running.port))
  const sign = (line: string): string => {
    const { status, stderr } = openssl(`x509 -req -in ca.csr -CA root.pem -CAkey root.key -days 7 ${line} -out ca.pem`)
    t.equal(status, 0, stderr)
    return readFileSync(file('ca.pem'), 'utf8')
  }
  const refused = async (line: string) => json(await unlock(running.port, {}, { chain: sign(line) }))['detail']
  t.match(await refused('-sha256 -extfile no-id.ext'), /certificate 1: want a subjectKeyIdentifier/)
  t.match(await refused('-sha1 -extfile ca.ext'), /certificate 1: want a signature by ECDSA or RSA/)
  t.match(await refused('-sha256'), /certificate 1: want (?:X\.509 v3, with extensions|basicConstraints CA:TRUE)/)
  const chain = sign('-sha256 -extfile ca.ext')
  const revocations = revocationSet({ certificates: ['41ff'] })
  t.equal((await unlock(running.port, {}, { chain, revocations, policies: policySet() })).status, 204)
  const asked = await makeAsked()
  const {
    chain: [leaf, ...above],
  } = readAnswer((await call(running.port, { body: exported => ask(asked, exported) })).body)
  writeFileSync(file('leaf.pem'), chainPem([leaf]))
  writeFileSync(file('above.pem'), chainPem(above))
  writeFileSync(file('bundle.pem'), (await call(running.port, { method: 'GET', path: '/v1/bundle' })).body)
  writeFileSync(file('list.der'), (await call(running.port, { method: 'GET', path: '/v1/crl' })).body)
  t.equal(openssl('crl -inform DER -in list.der -out list.pem').status, 0)
  const strict = 'verify -x509_strict -purpose sslserver -CAfile bundle.pem'
  const whole = openssl(`${strict} -crl_check -CRLfile list.pem -untrusted above.pem leaf.pem`)
  t.equal(whole.stdout, 'leaf.pem: OK\n', whole.stderr)
  t.not(openssl(`${strict} leaf.pem`).status, 0, 'not without what stands between')
})
