import { spawnSync } from 'node:child_process'
import { createHash, verify } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import t from 'tap'
import { readBinding } from '../../src/attest/binding.ts'
import { readCertificate } from '../../src/attest/certificate.ts'
import { readCrl } from '../../src/attest/crl.ts'
import { judgePeer } from '../../src/attest/peer.ts'
import { toHex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { chainPem } from '../../src/identity/credential.ts'
import { certificatesPath, readAnswer, readTime, timeLabel } from '../../src/identity/issuance.ts'
import { verifyChain } from '../../src/identity/pki.ts'
import { verifyAudit } from '../../src/provision/audit.ts'
import { IssuingAuthority } from '../../src/provision/authority.ts'
import { openApi } from '../../src/provision/openapi.ts'
import { makeRule, makeTee, mrenclave, refusingTee, spkiOf, trust } from '../support/evidence.ts'
import {
  ask,
  call,
  caMrenclave,
  json,
  makeAsked,
  makeOptions,
  policyDigest,
  policySet,
  revocationSet,
  type Said,
  service,
  startCa,
  unlock,
} from '../support/provision.ts'

type Running = Awaited<ReturnType<typeof startCa>>

const audited = ({ lines }: Running): Record<string, unknown>[] =>
  lines.filter(line => line.startsWith('{"audit"')).map(line => JSON.parse(line))

/** What comes back for bytes that nobody goes on with. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => socket.write(bytes))
    socket.setEncoding('utf8').on('data', chunk => {
      said += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(said))
  })
}

function side({ sidePort }: Running, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    get({ port: sidePort, host: '127.0.0.1', path, agent: false }, response => {
      let body = ''
      response.setEncoding('utf8').on('data', chunk => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    }).on('error', reject)
  })
}

t.test('an enclave whose policy is in the set gets a certificate that says what the set says', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  t.equal((await unlock(running.port)).status, 204)
  const asked = await makeAsked(['admin.example', 'kn-user-other'])
  let channel = Buffer.alloc(0)
  const said = await call(running.port, {
    body: (exported, socket) => {
      channel = socket.exportKeyingMaterial(
        32,
        'EXPERIMENTAL postern attest v1',
        createHash('sha256').update(asked.request).digest(),
      )
      return ask(asked, exported)
    },
  })
  t.equal(said.status, 200)
  const answer = readAnswer(said.body)
  const leaf = readCertificate(answer.chain[0])
  t.same(leaf.spki, spkiOf(asked.key))
  t.equal(leaf.x509.subjectAltName, `DNS:kn-user-shop, DNS:data-plane.knative.dev, URI:${service}/proxy`)
  t.same(leaf.x509.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  t.ok(leaf.notAfter - Date.now() <= 3_600_000, 'an hour')
  t.match(readBinding(leaf), {
    role: 'proxy',
    policyDigest: toHex(policyDigest),
    mrenclave: toHex(mrenclave),
    serial: 17,
    platform: /^[0-9a-f]{32}$/,
  })
  const judgement = judgePeer(leaf.der, makeRule({ role: 'proxy', service }), trust, Date.now())
  t.ok(judgement.accepted, 'its evidence is in it')
  t.same(
    await verifyChain({
      leaf: leaf.der,
      intermediates: [],
      roots: answer.bundle,
      at: Date.now(),
      san: `uri:${service}/proxy`,
    }),
    { ok: true, until: leaf.notAfter },
  )

  const [authority] = answer.bundle
  const key = readCertificate(authority).publicKey
  t.ok(verify('sha256', Buffer.concat([timeLabel, answer.time.signed]), key, answer.time.signature))
  const time = readTime(answer.time.signed)
  t.ok(Math.abs(time.at - Date.now()) < 60_000)
  t.same(time.channel, new Uint8Array(channel), 'for this connection')
  t.equal(answer.floors.size, 0, 'synthetic evidence has no collateral')

  const log = audited(running)
  t.match(log, [
    { event: 'started', mrenclave: toHex(caMrenclave) },
    { event: 'unlocked', by: 'ops-1' },
    { event: 'issued', rule: 'app', uri: `${service}/proxy`, serial: leaf.serial, role: 'proxy', service },
  ])
  t.same(verifyAudit(running.lines.join('')), { ok: true, head: toHex(answer.auditHead), lines: 3 })
})

t.test(
  'what was issued for synthetic evidence says so to everything that shows certificates, and nothing else does',
  async t => {
    const marked = /SYNTHETIC\\?, NOT ATTESTED/
    const running = await startCa()
    t.teardown(() => running.drain())
    await unlock(running.port)
    const asked = await makeAsked()
    const { chain, bundle } = readAnswer((await call(running.port, { body: exported => ask(asked, exported) })).body)
    for (const shown of [chain[0], bundle[0]]) t.match(readCertificate(shown).x509.subject, marked)
    const real = { ...makeOptions(), name: 'acme', dangerSyntheticRoot: undefined }
    const { certificate } = await IssuingAuthority.create({ ...real, clock: systemClock })
    t.equal(readCertificate(certificate).x509.subject, 'CN=postern provision acme')
  },
)

t.test('a container gets a certificate in its own role, and none of the names of a proxy', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  await unlock(running.port)
  const asked = await makeAsked(['data-plane.knative.dev'])
  const said = await call(running.port, { body: exported => ask(asked, exported, { role: 'workload' }) })
  const leaf = readCertificate(readAnswer(said.body).chain[0])
  t.equal(leaf.x509.subjectAltName, `URI:${service}/workload`)
  t.match(readBinding(leaf), { role: 'workload' })
})

t.test('OpenSSL verifies the chain, and the list says who is revoked', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  await unlock(running.port, {}, { revocations: revocationSet({ certificates: ['41ff'] }) })
  const asked = await makeAsked()
  const answer = readAnswer((await call(running.port, { body: exported => ask(asked, exported) })).body)
  const folder = t.testdir({})
  const bundle = await call(running.port, { method: 'GET', path: '/v1/bundle' })
  const list = await call(running.port, { method: 'GET', path: '/v1/crl' })
  t.equal(bundle.body.toString(), chainPem(answer.bundle))
  t.equal(bundle.type, 'application/pem-certificate-chain')
  t.same([...readCrl(list.body, 'list').revoked], ['41ff'])
  writeFileSync(join(folder, 'ca.pem'), bundle.body)
  writeFileSync(join(folder, 'leaf.pem'), chainPem(answer.chain))
  const crl = list.body.toString('base64').replace(/.{64}/g, '$&\n')
  writeFileSync(join(folder, 'crl.pem'), `-----BEGIN X509 CRL-----\n${crl}\n-----END X509 CRL-----\n`)
  const openssl = spawnSync(
    'openssl',
    ['verify', '-x509_strict', '-crl_check', '-CAfile', 'ca.pem', '-CRLfile', 'crl.pem', 'leaf.pem'],
    { cwd: folder, encoding: 'utf8' },
  )
  if (openssl.error) t.comment('NO OPENSSL: its opinion of the chain was not asked')
  else t.equal(openssl.stdout, 'leaf.pem: OK\n', openssl.stderr)
})

t.test('it is ready once an operator has unlocked it, and says what it waits for', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  t.same(await side(running, '/readyz'), { status: 503, body: 'locked\n' })
  t.match(await side(running, '/metrics'), { body: /^postern_provision_locked 1$/m })
  t.equal((await call(running.port, { method: 'GET', path: '/v1/crl' })).status, 503)
  await unlock(running.port)
  t.same(await side(running, '/readyz'), { status: 200, body: 'ok\n' })
  t.same(await side(running, '/healthz'), { status: 200, body: 'ok\n' })
  await call(running.port, { body: Buffer.from('junk') })
  const { body } = await side(running, '/metrics')
  t.match(body, /^postern_provision_locked 0$/m)
  t.match(body, /^postern_provision_unlocked_until_timestamp_seconds [1-9]\d{9}/m)
  t.match(body, /^postern_provision_requests_total\{outcome="malformed"\} 1$/m)
})

t.test('what it shows is its own evidence, in its own role', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  let leaf: Uint8Array = new Uint8Array()
  await call(running.port, {
    body: async (_exported, socket) => {
      leaf = new Uint8Array(socket.getPeerX509Certificate()?.raw ?? [])
      return new Uint8Array()
    },
  })
  const enclaves = [{ mrenclave: toHex(caMrenclave) }]
  t.ok(judgePeer(leaf, makeRule({ enclaves, role: 'provision' }), trust, Date.now()).accepted)
})

t.test('the routes are those of the description', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  const described = json(await call(running.port, { method: 'GET', path: '/v1/openapi.json' }))
  t.same(described, JSON.parse(JSON.stringify(openApi)))
  for (const [path, methods] of Object.entries(openApi.paths)) {
    for (const method of ['GET', 'POST']) {
      const known = Object.keys(methods).includes(method.toLowerCase())
      const { status } = await call(running.port, { method, path })
      t.equal(status !== 405 && status !== 404, known, `${method} ${path}`)
      if (known) t.ok(Object.keys(Object.values(methods)[0]?.responses ?? {}).includes(String(status)), `${status}`)
    }
  }
  t.equal((await call(running.port, { method: 'GET', path: '/v1/keys' })).status, 404)
})

t.test('it does not start without evidence, and leaves no port open', async t => {
  await t.rejects(startCa({ tee: refusingTee('no quotes today') }), { code: 'tee-unavailable' })
})

t.test('a port that is taken is told', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  await t.rejects(startCa({ port: running.port }), { code: 'bind-failed' })
})

t.test('oversized and slow requests end, whatever they are about', async t => {
  const running = await startCa({ times: { headMs: 200, requestMs: 400 } })
  t.teardown(() => running.drain())
  await unlock(running.port)
  const long = Buffer.alloc(64 * 1024)
  t.equal((await call(running.port, { body: long, headers: { 'Content-Length': String(long.length) } })).status, 413)
  t.equal((await call(running.port, { body: long, headers: { 'Transfer-Encoding': 'chunked' } })).status, 413)
  t.equal((await call(running.port, { body: 'x', type: 'text/plain' })).status, 415)
  const [first, second, ...others] = audited(running).filter(({ event }) => event === 'refused')
  t.match(first, { from: /127\.0\.0\.1/, reasons: [{ rule: 'too-long', got: 'more' }] })
  t.match([second, others], [undefined, []], 'a line a second')
  const head = 'POST /v1/certificates HTTP/1.1\r\nHost: ca\r\nContent-Type: application/cbor\r\nContent-Length: 10\r\n'
  t.match(
    await raw(running.port, `${head}\r\nx`),
    /^HTTP\/1\.1 408 [\s\S]*"title":"too slow"/,
    'a body that does not end',
  )
  t.match(audited(running).at(-1), {
    event: 'refused',
    reasons: [{ rule: 'too-slow', want: 'all of it within 400 ms' }],
  })
  await delay(1_000)
  t.equal(await raw(running.port, head), '', 'a head that does not end')
  t.match(audited(running).at(-1), {
    event: 'refused',
    reasons: [{ rule: 'too-slow', want: 'all of it within 200 ms' }],
  })
  const mute = connectPlain(running.port, '127.0.0.1')
  await new Promise(resolve => mute.on('close', resolve).resume())
  const { body } = await side(running, '/metrics')
  t.match(body, /^postern_provision_refused_total\{rule="too-long"\} 2$/m)
  t.match(body, /^postern_provision_refused_total\{rule="too-slow"\} 3$/m, 'a handshake that does not begin, too')
  t.equal(audited(running).filter(({ event }) => event === 'issued').length, 0)
  t.ok(verifyAudit(running.lines.join('')).ok)
})

t.test('whoever asks too often is told when to come again, and does not fill the log', async t => {
  const rate = { burst: 2, perSecond: 0.01 }
  const running = await startCa({ rates: { each: rate, all: rate } })
  t.teardown(() => running.drain())
  const said: Said[] = []
  for (let i = 0; i < 5; i++) said.push(await call(running.port, { path: certificatesPath, body: 'x' }))
  t.same(
    said.map(({ status }) => status),
    [503, 503, 429, 429, 429],
  )
  const [, , first] = said
  t.match(first?.headers['retry-after'], /^(99|100)$/)
  t.match(first && json(first), { title: 'too often', detail: /^try again in (99|100) s$/ })
  const log = audited(running).filter(({ event }) => event === 'refused')
  t.match(
    log.map(({ reasons }) => reasons),
    [[{ rule: 'locked' }], [{ rule: 'locked' }], [{ rule: 'too-often' }]],
  )
  const { body } = await side(running, '/metrics')
  t.match(body, /^postern_provision_refused_total\{rule="locked"\} 2$/m)
  t.match(body, /^postern_provision_refused_total\{rule="too-often"\} 3$/m)
})

t.test('new sets come by another statement, which is for the nonce of the moment', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  await unlock(running.port)
  t.equal((await unlock(running.port, {}, { policies: policySet({ policies: [], serial: 4 }) })).status, 204)
  const asked = await makeAsked()
  const said = await call(running.port, { body: exported => ask(asked, exported, {}, makeTee()) })
  t.equal(said.status, 403)
  t.same(json(said)['rules'], ['policy-set'])
})
