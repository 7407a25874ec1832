import { once } from 'node:events'
import { createServer as createPlainServer } from 'node:http'
import { createSecureServer, connect as h2Connect } from 'node:http2'
import { createServer, type Server as HttpsServer } from 'node:https'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { readCertificate } from '../../src/attest/certificate.ts'
import { challengePath } from '../../src/attest/challenge.ts'
import { judgeAnswer, judgePeer } from '../../src/attest/peer.ts'
import { readEvidence } from '../../src/attest/ratls.ts'
import { toHex } from '../../src/base/bytes.ts'
import { demoFunction } from '../../src/demo/enclaves.ts'
import { synthetic } from '../../src/demo/synthetic.ts'
import { attest, attestIn } from '../../src/function/attest.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { syntheticMark } from '../../src/identity/sources/self-signed.ts'
import { makeRule, refusingTee, trust } from '../support/evidence.ts'
import {
  attested,
  callerCredential,
  challengeOn,
  clients,
  dialled,
  get,
  leafOf,
  posted,
  saidTo,
  serving,
} from '../support/function.ts'
import { FakeClock, hour, settle, start } from '../support/identity.ts'

const proxy = await callerCredential()
const rule = makeRule({ enclaves: [{ mrenclave: toHex(demoFunction().mrenclave) }] })

/** An app that says hello and counts. */
function hello(): {
  seen: string[]
  app: (request: { url?: string | undefined }, response: { end(text: string): unknown }) => void
} {
  const seen: string[] = []
  return {
    seen,
    app(request, response) {
      seen.push(request.url ?? '')
      response.end('hello')
    },
  }
}

t.test('a server shows evidence, and says hello to a proxy', async t => {
  const attestation = await attested(t, { service: 'spiffe://c1.example.org/ns/shop/svc/cart' })
  const { seen, app } = hello()
  const server: HttpsServer = attestation.protect(createServer(attestation.tls, app))
  t.ok(server.keepAliveTimeout > 90_000, 'the proxy closes first')
  const port = await serving(t, server)
  const caller = await callerCredential({ service: 'spiffe://c1.example.org/ns/shop/svc/cart' })
  const socket = await dialled(t, port, caller)
  const leaf = leafOf(socket)
  const judgement = judgePeer(leaf, { ...rule, role: 'workload' }, trust, Date.now())
  t.match(judgement, {
    accepted: true,
    evidence: { postern: { use: 'tls', service: 'spiffe://c1.example.org/ns/shop/svc/cart' } },
  })
  const { postern } = readEvidence(readCertificate(leaf))
  t.equal(toHex(postern?.policyDigest ?? leaf), attestation.policyDigest)
  t.equal(attestation.mrenclave, toHex(demoFunction().mrenclave))
  t.match(await saidTo(socket, get), /^HTTP\/1\.1 200 OK\r\n[\s\S]*hello$/)
  t.same(seen, ['/'])
})

t.test('synthetic evidence is marked everywhere', async t => {
  const warned: Error[] = []
  const keep = (warning: Error): void => void warned.push(warning)
  process.on('warning', keep)
  t.teardown(() => process.off('warning', keep))
  const attestation = await attested(t)
  const port = await serving(t, attestation.protect(createServer(attestation.tls)))
  const leaf = readCertificate(leafOf(await dialled(t, port, proxy)))
  t.match(leaf.x509.subject.replace('\\', ''), syntheticMark)
  t.equal(attestation.synthetic, true)
  await settle()
  t.match(warned, [{ name: 'PosternWarning', code: 'SYNTHETIC' }])
})

const strangers: [name: string, rule: string, credential: () => ReturnType<typeof callerCredential> | undefined][] = [
  ['nobody in particular', 'certificate', () => undefined],
  ['an enclave that was not named', 'mrenclave', () => callerCredential({ source: synthetic('other').source })],
  ['the function itself', 'own-measurement', () => callerCredential({ source: demoFunction() })],
  ['a workload', 'role', () => callerCredential({ role: 'workload' })],
  ['a proxy of another service', 'service', () => callerCredential({ service: 'spiffe://c1.example.org/ns/a/svc/b' })],
  ['a proxy whose certificate has ended', 'certificate-dates', () => callerCredential({ at: () => Date.now() - 9e6 })],
]
for (const [name, broken, credential] of strangers) {
  t.test(`${name} is refused by ${broken}, and no listener hears of it`, async t => {
    const service = 'spiffe://c1.example.org/ns/shop/svc/cart'
    const attestation = await attested(t, broken === 'service' ? { service } : {})
    const { seen, app } = hello()
    const server = createServer(attestation.tls, app)
    let connections = 0
    server.prependListener('secureConnection', () => connections++)
    attestation.protect(server)
    server.prependListener('secureConnection', () => connections++)
    const port = await serving(t, server)
    const socket = await dialled(t, port, await credential())
    t.equal(await saidTo(socket, get), '')
    t.match(
      attestation.events.filter(({ event }) => event === 'client-refused'),
      [{ reason: new RegExp(`(^|; )${broken}: `) }],
    )
    t.same([seen, connections], [[], 0])
  })
}

t.test('TLS 1.2 is not enough, and a session is never resumed', async t => {
  const attestation = await attested(t)
  const port = await serving(t, attestation.protect(createServer(attestation.tls, hello().app)))
  const old = await dialled(t, port, proxy, { maxVersion: 'TLSv1.2' })
  t.equal(old.destroyed, true)
  const first = await dialled(t, port, proxy)
  const session = once(first, 'session')
  t.match(await saidTo(first, get), /hello/)
  const again = await dialled(t, port, undefined, { session: (await session)[0] })
  t.equal(again.isSessionReused(), false)
  t.equal(await saidTo(again, get), '', 'so the certificate of the first does not count')
})

t.test('anyone is let in where that was said', async t => {
  const attestation = await attested(t, { clients: 'anyone' })
  t.equal(attestation.tls.requestCert, false)
  const port = await serving(t, attestation.protect(createServer(attestation.tls, hello().app)))
  t.match(await saidTo(await dialled(t, port, undefined), get), /hello$/)
})

t.test('a server that was not protected serves nobody; one without TLS cannot be', async t => {
  const attestation = await attested(t, { clients: 'anyone' })
  const port = await serving(t, createServer(attestation.tls, hello().app))
  t.equal((await dialled(t, port, undefined)).destroyed, true)
  t.throws(() => attestation.protect(createPlainServer() as never), { code: 'usage' })
})

t.test('a server made without our options lets in nobody', async t => {
  const attestation = await attested(t)
  const port = await serving(t, attestation.protect(createServer({}, hello().app)))
  t.equal(await saidTo(await dialled(t, port, proxy), get), '')
})

t.test('a bare TLS server is guarded as well', async t => {
  const attestation = await attested(t)
  const greet = (socket: TLSSocket): void => void socket.end('hi')
  const port = await serving(t, attestation.protect(createTlsServer(attestation.tls, greet)))
  t.equal(await saidTo(await dialled(t, port, proxy), ''), 'hi')
  t.equal(await saidTo(await dialled(t, port, undefined), ''), '')
})

// Challenges.

async function answering(t: Test, options: Parameters<typeof attested>[1] = {}) {
  const attestation = await attested(t, options)
  const { seen, app } = hello()
  const server = createSecureServer({ ...attestation.tls, allowHTTP1: true }, app)
  const port = await serving(t, attestation.protect(server))
  return { attestation, port, seen }
}

t.test('a challenge is answered for its connection, and the app hears nothing of it', async t => {
  const { port, seen } = await answering(t)
  const socket = await dialled(t, port, proxy)
  const leaf = leafOf(socket)
  const { request, asked } = challengeOn(socket, leaf)
  const text = await saidTo(socket, request)
  t.match(text, /^HTTP\/1\.1 200 OK\r\nContent-Type: application\/cbor\r\n/)
  const answer = Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')
  t.match(judgeAnswer(answer, asked, rule, trust, Date.now()), { accepted: true })
  const another = await dialled(t, port, proxy)
  const later = challengeOn(another, leaf).asked
  const replayed = judgeAnswer(answer, later, rule, trust, Date.now())
  t.match(replayed, { accepted: false, reasons: [{ rule: 'channel' }] }, 'the same nonce, another connection')
  t.same(seen, [])
})

t.test('a challenge over HTTP/2 is answered as well', async t => {
  const { port, seen } = await answering(t)
  const socket = await dialled(t, port, proxy, { ALPNProtocols: ['h2'] })
  const { body, asked } = challengeOn(socket, leafOf(socket))
  const session = h2Connect('https://f', { createConnection: () => socket })
  t.teardown(() => session.destroy())
  const stream = session.request({ ':method': 'POST', ':path': challengePath })
  stream.end(body)
  const parts: Buffer[] = []
  stream.on('data', part => parts.push(part))
  await once(stream, 'end')
  t.match(judgeAnswer(Buffer.concat(parts), asked, rule, trust, Date.now()), { accepted: true })
  t.same(seen, [])
})

t.test('who may not call may not ask either', async t => {
  const { port } = await answering(t)
  const socket = await dialled(t, port, await callerCredential({ source: synthetic('other').source }))
  t.equal(await saidTo(socket, posted(Buffer.alloc(47))), '')
})

t.test('what is no challenge is refused, unquoted', async t => {
  const rows: [name: string, request: Uint8Array, status: string][] = [
    ['a GET', posted(Buffer.alloc(0), undefined, 'GET'), '405 Method Not Allowed\r\nContent-Type: text/plain; charset'],
    ['no body', posted(Buffer.alloc(0)), '400 Bad Request'],
    ['another body', posted(Buffer.alloc(47)), '400 Bad Request'],
    ['a long body', posted(Buffer.alloc(100_000)), '400 Bad Request'],
  ]
  const { port, seen } = await answering(t)
  for (const [name, request, status] of rows) {
    const text = await saidTo(await dialled(t, port, proxy), request)
    t.equal(text.slice(9, 9 + status.length), status, name)
  }
  t.same(seen, [])
})

t.test('more challenges than one quote can serve are told to come back', async t => {
  const { port } = await answering(t)
  const socket = await dialled(t, port, proxy)
  const { body } = challengeOn(socket, leafOf(socket))
  const many = Array.from({ length: 70 }, () => posted(body, ''))
  const statuses = await Promise.all(
    many.map(async request => {
      const each = await dialled(t, port, proxy)
      let text = ''
      each.on('data', chunk => {
        text += chunk.toString('latin1')
      })
      each.write(request)
      while (!text.includes('\r\n')) await settle(1)
      return text.slice(9, 12)
    }),
  )
  t.ok(statuses.every(status => status === '200' || status === '429'))
  t.ok(statuses.includes('200'))
})

t.test('a key that somebody else gave to the server is never vouched for', async t => {
  const attestation = await attested(t)
  const server = attestation.protect(createServer(attestation.tls, hello().app))
  const foreign = await callerCredential()
  withKeyPem(foreign, pem => server.setSecureContext({ ...pem, minVersion: 'TLSv1.3' }))
  const port = await serving(t, server)
  const socket = await dialled(t, port, proxy)
  const text = await saidTo(socket, challengeOn(socket, leafOf(socket)).request)
  t.match(text, /^HTTP\/1\.1 421 /)
  t.match(attestation.events.at(-1), { event: 'challenge-failed', reason: /not opened with a certificate of ours/ })
})

t.test('a TEE that fails after the start answers no challenge, and says so', async t => {
  const good = synthetic()
  let broken = false
  const source: typeof good.source = {
    ...good.source,
    quote: data => (broken ? refusingTee('gone') : good.source).quote(data),
  }
  const { attestation, port } = await answering(t, { dangerSynthetic: { ...good, source } })
  broken = true
  const socket = await dialled(t, port, proxy)
  t.match(await saidTo(socket, challengeOn(socket, leafOf(socket)).request), /^HTTP\/1\.1 503 /)
  t.match(attestation.events.at(-1), { event: 'challenge-failed', reason: 'tee-unavailable: gone' })
})

// Time.

t.test('renewal: new evidence for a new key, while open connections keep what they were opened with', async t => {
  const clock = new FakeClock()
  const attestation = await attested(t, { lifetimeSeconds: 3600, clients: 'anyone' }, { clock })
  const port = await serving(t, attestation.protect(createServer(attestation.tls, hello().app)))
  const before = await dialled(t, port, undefined)
  const old = leafOf(before)
  const { request, asked } = challengeOn(before, old)
  await clock.advance(hour * 0.67)
  while (attestation.events.length < 2) await settle(1)
  const renewed = leafOf(await dialled(t, port, undefined))
  const [one, two] = [old, renewed].map(readCertificate)
  t.not(toHex(one?.spki ?? old), toHex(two?.spki ?? old))
  const quotes = [one, two].map(each => each && toHex(readEvidence(each).quote))
  t.not(quotes[0], quotes[1], 'another quote')
  t.match(judgePeer(renewed, rule, trust, clock.now()), { accepted: true })
  const text = await saidTo(before, request)
  const answer = Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')
  t.match(judgeAnswer(answer, asked, rule, trust, clock.now()), { accepted: true }, 'and can still be asked')
})

t.test('a certificate that could not be renewed is not shown beyond its end', async t => {
  const clock = new FakeClock()
  const good = synthetic()
  let broken = false
  const source: typeof good.source = {
    ...good.source,
    quote: data => (broken ? refusingTee('gone') : good.source).quote(data),
  }
  const options = { lifetimeSeconds: 3600, clients: 'anyone', dangerSynthetic: { ...good, source } } as const
  const attestation = await attested(t, options, { clock })
  const port = await serving(t, attestation.protect(createServer(attestation.tls, hello().app)))
  broken = true
  await clock.advance(hour - 1000)
  t.match(await saidTo(await dialled(t, port, undefined), get), /hello/)
  await clock.advance(2000)
  t.equal((await dialled(t, port, undefined)).destroyed, true)
  const names = new Set(attestation.events.map(({ event }) => event))
  t.same([...names], ['credential-installed', 'credential-renewal-failed', 'credential-expired'])
  t.match(attestation.events.at(-1), { reason: /ended at 2026-/ })
})

t.test("a client's connection ends a minute after the verdict about it", async t => {
  const clock = new FakeClock()
  const attestation = await attested(t, { lifetimeSeconds: 7_776_000 }, { clock })
  const port = await serving(t, attestation.protect(createServer(attestation.tls, hello().app)))
  const socket = await dialled(t, port, await callerCredential({ at: () => start }))
  socket.write('GET / HTTP/1.1\r\nHost: f\r\n\r\n')
  await once(socket, 'data')
  await clock.advance(hour + 59_000)
  t.equal(socket.destroyed, false)
  const closed = once(socket, 'close')
  await clock.advance(1_000)
  await closed
})

// The start.

t.test('without evidence there is no start', async t => {
  await t.rejects(attest({ clients }), { code: 'tee-unavailable', message: /postern\/function\/synthetic/ })
  const dangerSynthetic = { ...synthetic(), source: refusingTee('busy') }
  const clock = new FakeClock()
  const begun = attestIn({ clock }, { clients, dangerSynthetic, report: () => {} })
  begun.catch(() => {})
  await clock.advance(61_000)
  await t.rejects(begun, { code: 'tee-unavailable', message: 'busy' })
  t.equal(clock.pending, 0)
})

t.test('synthetic evidence beside a real TEE is refused', async t => {
  const attestationFolder = t.testdir({ attestation_type: 'dcap' })
  await t.rejects(attestIn({ attestationFolder }, { clients, dangerSynthetic: synthetic() }), {
    code: 'policy-invalid',
    message: /beside a real TEE/,
  })
})

t.test('what needs attention is a warning where nobody asked to be told', async t => {
  const warned: string[] = []
  t.intercept(process, 'emitWarning', { value: (text: string) => warned.push(text) })
  const clock = new FakeClock()
  const dangerSynthetic = { ...synthetic(), source: refusingTee('busy') }
  const begun = attestIn({ clock }, { clients, dangerSynthetic })
  begun.catch(() => {})
  await clock.advance(61_000)
  t.match(warned[0], /SYNTHETIC/)
  t.equal(warned[1], 'credential-renewal-failed: tee-unavailable: busy')
})
