import { sign } from 'node:crypto'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import t from 'tap'
import { type Binding, bindingOid, writeBinding } from '../../../src/attest/binding.ts'
import { readCertificate } from '../../../src/attest/certificate.ts'
import { readRequest, requestContext } from '../../../src/attest/csr.ts'
import { taggedEvidenceOid } from '../../../src/attest/ratls.ts'
import { toHex } from '../../../src/base/bytes.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { Fault } from '../../../src/base/errors.ts'
import { chainPem, withKeyPem } from '../../../src/identity/credential.ts'
import { type Answer, readQuestion, timeLabel, writeAnswer, writeTime } from '../../../src/identity/issuance.ts'
import { type Learned, type ProvisionSourceOptions, provisionSource } from '../../../src/identity/sources/provision.ts'
import { generateKey, issue, revocationList } from '../../../src/identity/x509.ts'
import { makeTee, mrenclave, refusingTee } from '../../support/evidence.ts'
import { makeCredential, makeRoot, type TestAuthority } from '../../support/identity.ts'
import { policyDigest, revocationSet, service, startCa, unlock } from '../../support/provision.ts'

const binding: Binding = {
  role: 'proxy',
  policyDigest: toHex(policyDigest),
  tee: 'sgx',
  mrenclave: toHex(mrenclave),
  platform: 'ab'.repeat(16),
  serial: 0,
}
const dnsNames = ['kn-user-shop', 'data-plane.knative.dev']

function options(port: number, more: Partial<ProvisionSourceOptions> = {}): ProvisionSourceOptions {
  return {
    source: makeTee(),
    role: 'proxy',
    policyDigest,
    service,
    dnsNames,
    clock: systemClock,
    authority: `127.0.0.1:${port}`,
    connect: () =>
      new Promise((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, minVersion: 'TLSv1.3' })
        socket.once('error', reject)
        socket.once('secureConnect', () => resolve(socket))
      }),
    learned: () => {},
    ...more,
  }
}

/** The first credential, or the first fault. */
async function first(asked: ProvisionSourceOptions) {
  const stop = new AbortController()
  let fault: Fault | undefined
  for await (const credential of provisionSource(asked).credentials(stop.signal, found => {
    fault = found
    stop.abort()
  })) {
    stop.abort()
    return credential
  }
  throw fault ?? new Error('neither')
}

t.test('a certificate from the CA, for a key that was born here', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  await unlock(running.port, {}, { revocations: revocationSet({ certificates: ['41ff'] }) })
  const told: Learned[] = []
  const phases: string[] = []
  const learned = (said: Learned): unknown => told.push(said)
  const done = (phase: string): unknown => phases.push(phase)
  const credential = await first(options(running.port, { learned, done } as Partial<ProvisionSourceOptions>))
  t.equal(credential.keyOrigin, 'enclave')
  t.match(readCertificate(credential.chain[0]).x509.subjectAltName, `URI:${service}/proxy`)
  t.match(told, [{ binding: { role: 'proxy', platform: /^[0-9a-f]{32}$/ } }])
  t.same([...(told[0]?.revoked ?? [])], ['41ff'])
  t.ok(Math.abs((told[0]?.at ?? 0) - Date.now()) < 60_000)
  t.same(phases, ['key', 'quote', 'certificate'])
})

t.test('a CA that will not is told with its reason', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  await t.rejects(first(options(running.port)), { code: 'issuer-unavailable', message: /503: locked/ })
  await unlock(running.port)
  const debug = makeTee({ debug: true })
  await t.rejects(first(options(running.port, { source: debug })), { code: 'issuer-refused', message: /403: "debug"/ })
  await t.rejects(first(options(running.port, { source: refusingTee('none') })), { code: 'tee-unavailable' })
})

t.test('a CA that is not there, or not ours, is a failed renewal', async t => {
  const gone = options(1)
  await t.rejects(first(gone), { code: 'issuer-unavailable', message: /ECONNREFUSED/ })
  const untrusted = new Fault('issuer-untrusted', 'not that one')
  await t.rejects(first({ ...gone, connect: () => Promise.reject(untrusted) }), untrusted)
})

t.test('a CA that breaks off while evidence is made for it is a failed renewal, and soon', async t => {
  const { port, server, close } = await lying({})
  server.on('connection', raw =>
    server.once('secureConnection', () => setImmediate(() => (raw as Socket).resetAndDestroy())),
  )
  const tee = makeTee()
  let quoting: TLSSocket | undefined
  const source: typeof tee = {
    ...tee,
    async quote(data) {
      if (quoting && !quoting.closed) await new Promise(resolve => quoting?.once('close', resolve))
      return tee.quote(data)
    },
  }
  const honest = options(port)
  const connect = async (signal: AbortSignal): Promise<TLSSocket> => {
    quoting = await honest.connect(signal)
    quoting.removeAllListeners('error')
    return quoting
  }
  await t.rejects(first({ ...honest, source, connect }), { code: 'issuer-unavailable', message: /broke off/ })
  close()
})

interface Lie {
  /** The extension's value; empty for none. */
  readonly binding?: Uint8Array
  readonly leaf?: Parameters<typeof issue>[0] | object
  readonly answer?: (answer: Answer, root: TestAuthority) => Answer | Promise<Answer>
  readonly raw?: { readonly status?: number; readonly body: Uint8Array }
  readonly channel?: Uint8Array
}

/** A CA that asks for no evidence and says what it is told to. */
async function lying(lie: Lie) {
  const root = await makeRoot('liar', { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 })
  const own = await makeCredential({ notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 })
  const server = createServer(withKeyPem(own, ({ key, cert }) => ({ key: Buffer.from(key), cert })))
  server.on('request', async (message, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of message) chunks.push(chunk)
    if (lie.raw) {
      response.writeHead(lie.raw.status ?? 200).end(lie.raw.body)
      return
    }
    const { request, evidence } = readQuestion(Buffer.concat(chunks))
    const { spki } = readRequest(request)
    const { createPublicKey } = await import('node:crypto')
    const leaf = await issue({
      issuer: root,
      publicKey: createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }),
      subject: { commonName: 'postern' },
      dnsNames,
      uris: [`${service}/proxy`],
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + 600_000,
      extensions: [
        { oid: taggedEvidenceOid, value: evidence },
        ...(lie.binding?.length === 0 ? [] : [{ oid: bindingOid, value: lie.binding ?? writeBinding(binding) }]),
      ],
      ...lie.leaf,
    })
    const socket = message.socket as TLSSocket
    const label = 'EXPERIMENTAL postern attest v1'
    const channel = lie.channel ?? new Uint8Array(socket.exportKeyingMaterial(32, label, requestContext(request)))
    const signed = writeTime(Date.now(), channel)
    const signature = sign('sha256', Buffer.concat([timeLabel, signed]), root.key)
    const answer: Answer = {
      chain: [leaf],
      bundle: [root.certificate],
      time: { signed, signature },
      floors: new Map(),
      auditHead: new Uint8Array(32),
    }
    response.end(writeAnswer((await lie.answer?.(answer, root)) ?? answer))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port, close: () => server.close() }
}

t.test('what it says is looked at', async t => {
  const { publicKey } = generateKey()
  const other = await makeRoot('other')
  const listBy = (issuer: TestAuthority): Promise<Uint8Array> =>
    revocationList({ issuer, revoked: [], number: 1, thisUpdate: Date.now(), nextUpdate: Date.now() + 60_000 })
  const rows: [name: string, lie: Lie, want: RegExp | undefined][] = [
    ['an honest answer', {}, undefined],
    ['another key', { leaf: { publicKey } }, /another key/],
    ['a name more', { leaf: { dnsNames: [...dnsNames, 'admin'] } }, /not for DNS:kn-user-shop/],
    ['another service', { leaf: { uris: [`${service}-2/proxy`] } }, /not for/],
    ['no evidence', { leaf: { extensions: [{ oid: bindingOid, value: new Uint8Array(1) }] } }, /without our evidence/],
    ['no binding', { binding: new Uint8Array() }, /without a binding/],
    ['a binding of no form', { binding: new Uint8Array(1) }, /a binding that is none/],
    ['another role', { binding: writeBinding({ ...binding, role: 'workload' }) }, /a certificate for workload under/],
    ['another policy', { binding: writeBinding({ ...binding, policyDigest: '0'.repeat(64) }) }, /proxy under 000/],
    ['a time for another connection', { channel: new Uint8Array(32) }, /time for another connection/],
    [
      'a time that others signed',
      { answer: a => ({ ...a, bundle: [other.certificate] }) },
      /nobody of its chain or bundle/,
    ],
    ['a revocation list', { answer: async (a, root) => ({ ...a, list: await listBy(root) }) }, undefined],
    [
      'a list of another',
      { answer: async a => ({ ...a, list: await listBy(other) }) },
      /list that is none of its own \(collateral-unv/,
    ],
    ['a list that is none', { answer: a => ({ ...a, list: Uint8Array.of(1) }) }, /list that is none of its own/],
    ['no certificate', { answer: a => ({ ...a, chain: [Uint8Array.of(1)] }) }, /certificate that is none/],
    ['garbage', { raw: { body: Buffer.from('<html>') } }, /message: want a CBOR map/],
    ['too much', { raw: { body: Buffer.alloc(300 * 1024) } }, /more than/],
    ['a page instead of a reason', { raw: { status: 403, body: Buffer.from('<html>') } }, /403: no reason given/],
  ]
  for (const [name, lie, want] of rows) {
    const { port, close } = await lying(lie)
    if (want) await t.rejects(first(options(port)), { message: want }, name)
    else await t.resolves(first(options(port)), name)
    close()
  }
  t.ok(chainPem([other.certificate]))
})

t.test('it gives up with whoever follows it', async t => {
  const stop = new AbortController()
  const never = options(1, {
    connect: signal =>
      new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(new Fault('issuer-unavailable', 'given up'))),
      ),
  })
  const following = provisionSource(never)
    .credentials(stop.signal, () => t.fail('told'))
    [Symbol.asyncIterator]()
    .next()
  stop.abort()
  t.match(await following, { done: true })
})
