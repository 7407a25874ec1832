// The TLS port as a client sees it: whose certificate, which versions, and what a second connection may take over from
// the first.

import { spawn, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { judgePeer } from '../../src/attest/peer.ts'
import type { PeerRule } from '../../src/attest/policy.ts'
import { toHex } from '../../src/base/bytes.ts'
import { demoFunction, demoProxy } from '../../src/demo/enclaves.ts'
import { trust } from '../support/evidence.ts'
import { ask as askHttp2 } from '../support/http2.ts'
import { ask, choosePorts, environment, type Ports, startServing, stopAtOnce, until } from '../support/process.ts'
import { type Container, startDemoContainer } from '../support/process-inside.ts'
import { exchange } from '../support/sockets.ts'

async function setUp(t: Test, env: Record<string, string> = {}): Promise<{ ports: Ports; container: Container }> {
  const ports = await choosePorts()
  const container = await startDemoContainer(t, ports.user)
  const proxy = await startServing(t, 'demo', environment(ports, env))
  t.teardown(() => stopAtOnce(proxy))
  return { ports, container }
}

/** A handshake's outcome: the open socket, or the code of what went wrong. */
async function handshake(t: Test, port: number, options: ConnectionOptions = {}): Promise<TLSSocket | string> {
  const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  t.teardown(() => socket.destroy())
  try {
    await once(socket, 'secureConnect')
    socket.on('error', () => {})
    return socket
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'failed'
  }
}

async function connected(t: Test, port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = await handshake(t, port, options)
  if (typeof socket === 'string') throw new Error(`no handshake: ${socket}`)
  return socket
}

/** One request on a connection that stays. */
async function request(socket: TLSSocket): Promise<string> {
  let text = ''
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part
  })
  socket.write('GET /over-tls HTTP/1.1\r\nHost: hello\r\n\r\n')
  await until('an answer', () => text.includes('hello'))
  return text
}

const proxyRule: PeerRule = {
  enclaves: [{ mrenclave: toHex(demoProxy().mrenclave) }],
  dangerAllowDebug: false,
  dangerAcceptSynthetic: true,
  refuse: { leafSha256s: [], mrenclave: toHex(demoFunction().mrenclave) },
}
const evidenceOid = '2.23.133.5.4.9'

t.test('it shows an RA-TLS certificate that says SYNTHETIC and proves what it is', async t => {
  const { ports, container } = await setUp(t)
  const socket = await connected(t, ports.tls, { ALPNProtocols: ['http/1.1'] })
  t.equal(socket.getProtocol(), 'TLSv1.3')
  t.equal(socket.alpnProtocol, 'http/1.1')
  const der = new Uint8Array(socket.getPeerCertificate(true).raw)
  // Handed over as PEM: in DER, OpenSSL would find the PEM chain inside the evidence first.
  const pem = `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`
  const certificate = new X509Certificate(pem)
  t.match(certificate.subject, /O=SYNTHETIC\\?, NOT ATTESTED/)
  t.match(certificate.subjectAltName, 'DNS:data-plane.knative.dev')
  t.ok(Buffer.from(der).includes(oidBytes(evidenceOid)), 'with the extension that carries evidence')

  // Our own judge never takes a proxy for a container: the one reason that must be left is the role.
  const judgement = judgePeer(der, proxyRule, trust, Date.now())
  t.match(judgement, { accepted: false, reasons: [{ rule: 'role-proxy' }] })
  t.equal(judgement.accepted ? 0 : judgement.reasons.length, 1, 'all else is good: quote, binding, measurement, dates')
  const other = { ...proxyRule, enclaves: [{ mrenclave: toHex(demoFunction().mrenclave) }] }
  const wrong = judgePeer(der, other, trust, Date.now())
  t.ok(!wrong.accepted && wrong.reasons.some(({ rule }) => rule === 'mrenclave'), 'it is not the function')

  t.match(await request(socket), 'HTTP/1.1 200 OK')
  t.match(container.received.at(-1), { url: '/over-tls', headers: { host: 'hello', 'x-forwarded-for': '127.0.0.1' } })
})

/** An OID as DER writes it, tag and length included. */
function oidBytes(oid: string): Buffer {
  const [first = 0, second = 0, ...rest] = oid.split('.').map(Number)
  const arcs = [first * 40 + second, ...rest].flatMap(arc => (arc < 128 ? [arc] : [(arc >> 7) | 0x80, arc & 0x7f]))
  return Buffer.from([6, arcs.length, ...arcs])
}

t.test('what it refuses', async t => {
  const { ports, container } = await setUp(t)
  const cases: [name: string, options: ConnectionOptions, code: string][] = [
    ['TLS 1.2', { maxVersion: 'TLSv1.2' }, 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION'],
    ['another protocol', { ALPNProtocols: ['h3'] }, 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL'],
  ]
  for (const [name, options, code] of cases) {
    t.test(name, async t => {
      t.equal(await handshake(t, ports.tls, options), code)
    })
  }
  t.test('plain HTTP, which is told so and goes nowhere', async t => {
    const before = container.received.length
    const answer = await exchange(ports.tls, 'GET / HTTP/1.1\r\nHost: hello\r\n\r\n')
    t.match(answer, /^HTTP\/1\.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server\.\n$/)
    t.equal(container.received.length, before)
  })
  t.test('no ALPN at all is taken for HTTP/1.1', async t => {
    const socket = await connected(t, ports.tls)
    t.equal(socket.alpnProtocol, false)
    t.match(await request(socket), 'HTTP/1.1 200 OK')
  })
})

t.test('HTTP/2 by ALPN is served beside it, loaded for the first who asks', async t => {
  const { ports, container } = await setUp(t)
  const session = connectHttp2(`https://127.0.0.1:${ports.tls}`, { rejectUnauthorized: false })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  const probe = { 'user-agent': 'Knative-Activator-Probe', 'k-network-probe': 'queue' }
  t.match(await askHttp2(session, probe), { status: 200, body: 'queue' })
  t.match(await askHttp2(session, { 'k-network-probe': 'probe', 'k-network-hash': 'abc' }), {
    status: 200,
    headers: { 'k-network-hash': 'abc' },
  })
  t.match(await askHttp2(session, { ':path': '/over-h2' }), { status: 200 })
  t.match(container.received.at(-1), { url: '/over-h2' }, 'bridged: the container chose HTTP/1.1')
})

t.test('the host cannot lower the floor, and may raise it', async t => {
  const { ports } = await setUp(t, { QUEUE_PROXY_TLS_MIN_VERSION: '1.3', QUEUE_PROXY_TLS_MAX_VERSION: '1.3' })
  t.type(await handshake(t, ports.tls, { maxVersion: 'TLSv1.2' }), 'string')
  const socket = await connected(t, ports.tls)
  t.equal(socket.getProtocol(), 'TLSv1.3')
})

t.test('a resumed session carries nobody: no client has an identity here', async t => {
  const { ports, container } = await setUp(t)
  const first = await connected(t, ports.tls)
  const tickets: Buffer[] = []
  first.on('session', ticket => tickets.push(ticket))
  await request(first)
  await until('a ticket', () => tickets.length > 0)
  const leaf = first.getPeerX509Certificate()?.fingerprint256
  first.destroy()
  const [session] = tickets
  const second = await connected(t, ports.tls, session ? { session } : {})
  t.match(await request(second), 'HTTP/1.1 200 OK')
  if (!second.isSessionReused()) t.equal(second.getPeerX509Certificate()?.fingerprint256, leaf)
  // Neither connection asked for a certificate or told the container about one.
  for (const { headers } of container.received) {
    t.notOk(Object.keys(headers).some(name => name.includes('client-cert') || name.includes('identity')))
  }
})

t.test('fields that would tell the container of a client certificate are removed', async t => {
  const { ports, container } = await setUp(t)
  const headers = { 'Client-Cert': ':Zm9yZ2Vk:', 'X-Forwarded-Client-Cert': 'Hash=forged', Client_Cert: 'x' }
  t.match(await ask(ports.tls, { tls: true, headers }), { status: 200, body: 'hello' })
  t.same(
    Object.keys(container.received.at(-1)?.headers ?? {}).filter(name => /client.cert/.test(name)),
    [],
  )
})

t.test('the plain port answers probes and nothing else', async t => {
  const { ports, container } = await setUp(t)
  t.match(await ask(ports.serving), { status: 421, headers: { connection: 'close' } })
  t.match(await ask(ports.serving, { headers: { 'K-Kubelet-Probe': 'yes' } }), { status: 421 })
  t.equal(container.received.length, 0)
})

const noOpenssl = spawnSync('openssl', ['version']).status === 0 ? false : 'NOT TESTED: no openssl on this machine'

t.test('openssl s_client agrees', { skip: noOpenssl }, async t => {
  const { ports } = await setUp(t)
  const s_client = (...args: string[]): Promise<string> =>
    new Promise(resolve => {
      const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${ports.tls}`, ...args])
      let text = ''
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('latin1').on('data', (part: string) => {
          text += part
        })
      }
      child.on('close', () => resolve(text))
      child.stdin.end()
    })
  const shown = await s_client('-alpn', 'h2,http/1.1', '-servername', 'data-plane.knative.dev')
  t.match(shown, /subject=.*SYNTHETIC, NOT ATTESTED/)
  t.match(shown, 'TLSv1.3')
  t.match(shown, 'TLS_AES_128_GCM_SHA256')
  t.match(shown, 'ALPN protocol: h2')
  t.match(shown, 'No client certificate CA names sent')
  t.match(await s_client('-tls1_2'), /alert protocol version|no protocols available/)
})
