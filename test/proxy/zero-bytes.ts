// Whoever is not accepted as the container gets zero bytes of any request: each impostor stands where the container
// should, behind the whole role, and everything that it hears after its handshake is counted.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { toHex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { demo } from '../../src/config/policies.ts'
import { demoDebugFunction, demoFunction, demoProxy, demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential, impostors } from '../../src/demo/function.ts'
import { type Credential, toCredential } from '../../src/identity/credential.ts'
import { makeRatlsCredential } from '../../src/identity/sources/self-signed.ts'
import { generateKey, issue, type KeyPair, selfSigned, selfSignedAuthority } from '../../src/identity/x509.ts'
import { bytesOf, type Container, startContainer, startRelay } from '../support/engine-containers.ts'
import { type Role, startRole } from '../support/engine-role.ts'

const hourMs = 3_600_000
const now = Date.now()
const life = { notBefore: now - hourMs, notAfter: now + hourMs }
const over = { notBefore: now - 3 * hourMs, notAfter: now - hourMs }

const refusedTotal = (rule: string): string => `postern_upstream_refused_total{rule="${rule}"}`

/** The container's place, taken until the test is over. */
async function stand(
  t: Test,
  role: Role,
  credential: Credential | undefined,
  tls?: Parameters<typeof startContainer>[2],
): Promise<Container> {
  const container = await startContainer(role.userPort, credential, tls)
  t.teardown(() => container.close())
  return container
}

/** An accepted container: the same counter counts. */
async function accepted(t: Test, role: Role, credential: Credential): Promise<void> {
  const container = await startContainer(role.userPort, credential)
  const answer = await role.ask('/secret')
  t.match(answer, { status: 200, body: 'hello' })
  t.match(container.heard, [/^GET \/secret HTTP\/1\.1\r\n/])
  t.ok(bytesOf(container) > 50)
  t.equal((await role.probe()).status, 200)
  await container.close()
}

/** One who is not: a request and a probe come to nothing, by this rule. */
async function refused(t: Test, role: Role, container: Container, rule: string, explains: boolean): Promise<void> {
  const before = await role.metric(refusedTotal(rule))
  const { status, body } = await role.ask('/secret')
  t.equal(status, 502)
  if (explains) t.match(body, rule)
  else t.equal(body, 'upstream-untrusted\n')
  t.equal((await role.probe()).status, 503)
  t.ok(container.connections() >= 2, 'it was called, for the request and for the probe')
  t.equal(await role.metric(refusedTotal(rule)), before + 2, 'counted by rule')
  t.ok(role.lines.some(line => line.includes('"code":"upstream-untrusted"') && line.includes(`"${rule}"`)))
}

const expired = (): Promise<Credential> =>
  makeRatlsCredential({
    source: demoFunction(),
    role: 'workload',
    policyDigest: new Uint8Array(32),
    service: undefined,
    dnsNames: ['localhost'],
    lifetimeMs: hourMs,
    clock: { ...systemClock, now: () => Date.now() - 2 * hourMs },
  })

t.test('attested', async t => {
  // The shipped policy, and the proxy's own measurement beside the function's: refused even so.
  const own = toHex(demoProxy().mrenclave)
  const text = demo.replace('"enclaves": [{', `"enclaves": [{ "mrenclave": "${own}" }, {`)
  const role = await startRole(t, text, true)
  const good = await demoCredential(demoFunction())
  await accepted(t, role, good)

  const rows: [name: string, rule: string, credential: () => Promise<Credential>][] = [
    ...impostors.flatMap(({ name, rule, credential }): [string, string, () => Promise<Credential>][] =>
      credential ? [[name, rule, credential]] : [],
    ),
    ['our own measurement', 'own-measurement', () => demoCredential(demoProxy())],
    ['an expired certificate', 'certificate-dates', expired],
  ]
  for (const [name, rule, credential] of rows) {
    t.test(`${name} hears nothing`, async t => {
      const container = await stand(t, role, await credential())
      await refused(t, role, container, rule, true)
      t.equal(bytesOf(container), 0)
    })
  }

  const mute: [name: string, tls: Parameters<typeof startContainer>[2]][] = [
    ['TLS without a certificate', {}],
    ['TLS with a shared key instead of a certificate', { ciphers: 'PSK', pskCallback: () => null }],
  ]
  for (const [name, tls] of mute) {
    t.test(`${name} hears nothing`, async t => {
      const container = await stand(t, role, undefined, tls)
      await refused(t, role, container, 'handshake', true)
      t.equal(bytesOf(container), 0)
    })
  }

  t.test('the function itself hears nothing over TLS 1.2', async t => {
    const container = await stand(t, role, good, { maxVersion: 'TLSv1.2' })
    await refused(t, role, container, 'handshake', true)
    t.equal(bytesOf(container), 0)
  })

  t.test('a server without TLS hears a greeting and an end, and no request', async t => {
    const container = await stand(t, role, undefined)
    const asked = Promise.all([role.ask('/secret'), role.probe()])
    while (container.heard.filter(text => text !== '').length < 2) await new Promise(resolve => setTimeout(resolve, 5))
    for (const text of container.heard) t.same(recordTypes(text), [22])
    await container.close()
    const [{ status }, probe] = await asked
    t.match([status, probe.status], [502, 503])
    t.notMatch(container.heard.join(''), /secret|GET|HTTP/)
  })

  t.test('a server that answers the greeting in plain HTTP is refused', async t => {
    const heard: Buffer[] = []
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.on('data', chunk => heard.push(chunk))
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
    })
    await new Promise<void>(resolve => server.listen(role.userPort, '127.0.0.1', resolve))
    const { status, body } = await role.ask('/secret')
    t.match([status, body], [502, /handshake/])
    t.notMatch(Buffer.concat(heard).toString('latin1'), /secret|GET|HTTP/)
    await new Promise(resolve => server.close(resolve))
  })

  t.test('our own leaf, behind a relay, is refused before we call ourselves', async t => {
    const relay = await startRelay(role.userPort, role.tlsPort)
    const ends = 'postern_requests_total{end="answered"}'
    const failures = 'postern_requests_total{end="upstream-failed"}'
    const before = [await role.metric(ends), await role.metric(failures)]
    const { status, body } = await role.ask('/secret')
    t.match([status, body], [502, /own-certificate/])
    t.ok(relay.calls() > 0)
    // One request in all: a second would have come through the relay.
    t.same([await role.metric(ends), await role.metric(failures)], [before[0], (before[1] ?? 0) + 1])
    await relay.close()
  })

  t.test('a certificate that is swapped during its life: what was judged may serve, nothing new may', async t => {
    const container = await stand(t, role, good)
    t.equal((await role.ask('/1')).status, 200)
    container.show(await demoCredential(demoStranger()))
    const held = role.ask('/hold')
    while (!container.heard[0]?.includes('/hold')) await new Promise(resolve => setTimeout(resolve, 5))
    t.match(await role.ask('/secret'), { status: 502, body: /mrenclave/ })
    container.release()
    t.equal((await held).status, 200)
    t.equal(container.heard.slice(1).join(''), '', 'the new connections heard nothing')
    t.ok(container.connections() > 1)
    t.notMatch(container.heard[0], 'secret')
  })

  t.test('no session is resumed, whatever tickets the container hands out', async t => {
    const container = await stand(t, role, good)
    const held = role.ask('/hold')
    while (!container.heard[0]?.includes('/hold')) await new Promise(resolve => setTimeout(resolve, 5))
    t.equal((await role.ask('/2')).status, 200)
    container.release()
    await held
    t.same(container.resumed, [false, false])
    // It would have been noticed: a client that keeps its session resumes it here.
    t.same([await visit(container.port), await visit(container.port, true)], [false, true])
  })

  t.test('debug enclaves differ from the function in nothing else', async t => {
    t.same(demoDebugFunction().mrenclave, demoFunction().mrenclave)
  })
})

const policy = (upstream: object): string =>
  JSON.stringify({
    version: 1,
    name: 'test',
    inbound: { plaintext: 'serve' },
    identity: { source: 'files', dangerAcceptForeignKey: true },
    upstream,
  })

const pem = (der: Uint8Array): string => {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

interface Root {
  readonly certificate: Uint8Array
  readonly key: KeyPair
}

async function makeRoot(): Promise<Root> {
  const key = generateKey()
  return { certificate: await selfSignedAuthority({ ...life, subject: { commonName: 'root' }, key }), key }
}

async function makeLeaf(root: Root, name = 'app.example.org', dates = life, key = generateKey()): Promise<Credential> {
  const issuer = { certificate: root.certificate, key: root.key.privateKey }
  const fields = { ...dates, subject: { commonName: name }, dnsNames: [name], issuer, publicKey: key.publicKey }
  return toCredential([await issue(fields)], key.privateKey, 'enclave')
}

t.test('ca', async t => {
  const root = await makeRoot()
  const ca = { bundle: pem(root.certificate), san: 'app.example.org' }
  const role = await startRole(t, policy({ mode: 'ca', ca }), false)
  await accepted(t, role, await makeLeaf(root))

  const rows: [name: string, rule: string, credential: () => Promise<Credential>][] = [
    ["another root's certificate", 'handshake', async () => makeLeaf(await makeRoot())],
    ['an expired certificate', 'handshake', () => makeLeaf(root, 'app.example.org', over)],
    ['a certificate for another name', 'san', () => makeLeaf(root, 'other.example.org')],
    ['attested evidence, which is not asked for', 'handshake', () => demoCredential(demoFunction())],
  ]
  for (const [name, rule, credential] of rows) {
    t.test(`${name} hears nothing`, async t => {
      const container = await stand(t, role, await credential())
      await refused(t, role, container, rule, false)
      t.equal(bytesOf(container), 0)
    })
  }
})

t.test('pinned', async t => {
  const key = generateKey()
  const make = async (dates = life, pair = key): Promise<Credential> => {
    const fields = { ...dates, subject: { commonName: 'app' }, dnsNames: ['app'], key: pair }
    return toCredential([await selfSigned(fields)], pair.privateKey, 'enclave')
  }
  const spki = key.publicKey.export({ type: 'spki', format: 'der' })
  const pins = [`sha256/${createHash('sha256').update(spki).digest('base64')}`]
  const role = await startRole(t, policy({ mode: 'pinned', pins }), false)
  await accepted(t, role, await make())
  await accepted(t, role, await make(life))

  const rows: [name: string, rule: string, credential: () => Promise<Credential>][] = [
    ['another key', 'pin', () => make(life, generateKey())],
    ['the pinned key in an expired certificate', 'certificate-dates', () => make(over)],
  ]
  for (const [name, rule, credential] of rows) {
    t.test(`${name} hears nothing`, async t => {
      const container = await stand(t, role, await credential())
      await refused(t, role, container, rule, false)
      t.equal(bytesOf(container), 0)
    })
  }
})

let session: Buffer | undefined

/** One TLS 1.3 client of a container, by itself; resolves to whether its session was resumed. */
async function visit(port: number, again = false): Promise<boolean> {
  const socket = tlsConnect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...(again && session && { session }),
  })
  const ticket = once(socket, 'session')
  await once(socket, 'secureConnect')
  const resumed = socket.isSessionReused()
  if (!again) [session] = await ticket
  else ticket.catch(() => {})
  socket.destroy()
  return resumed
}

/** Types of the TLS records in a text; 22 is a handshake. */
function recordTypes(text: string): number[] {
  const bytes = Buffer.from(text, 'latin1')
  const types: number[] = []
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) types.push(bytes[at] ?? -1)
  return types
}
