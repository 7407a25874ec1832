// Fresh evidence behind the whole role: a function that answers challenges serves, and whoever holds its key without being
// its enclave hears one question and no request. The thief has what a certificate needs: the genuine leaf and its key.

import { once } from 'node:events'
import { connect as connectHttp2, createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { readCertificate } from '../../src/attest/certificate.ts'
import { challengeBytes, makeAnswer, maxAnswerBytes, writeChallenge } from '../../src/attest/challenge.ts'
import { taggedEvidenceOid } from '../../src/attest/ratls.ts'
import { systemClock } from '../../src/base/clock.ts'
import { demo } from '../../src/config/policies.ts'
import { demoFunction, demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { synthetic } from '../../src/demo/synthetic.ts'
import { Answerer } from '../../src/function/answerer.ts'
import { answersChallenges } from '../../src/function/challenges.ts'
import { type Credential, withKeyPem } from '../../src/identity/credential.ts'
import { startContainer } from '../support/engine-containers.ts'
import { type Role, startRole } from '../support/engine-role.ts'
import { attested, posted, serving } from '../support/function.ts'
import { ask as askStream } from '../support/http2.ts'
import { until } from '../support/process.ts'

const policy = demo.replace('"freshness": "none"', '"freshness": "challenge"')
const rulesTold = (role: Role): string[] =>
  role.lines.filter(line => line.includes('container refused')).flatMap(line => line.match(/(?<="rule":")[^"]+/g) ?? [])

/**
 * A function in the container's place, and how many quotes it has had made for challenges.
 * @param http2 whether it speaks nothing else
 */
async function place(t: Test, role: Role, http2 = false) {
  const { source, root } = synthetic()
  let quotes = -1 // the certificate's own
  const counted: typeof source = {
    ...source,
    quote(data) {
      quotes++
      return source.quote(data)
    },
  }
  const attestation = await attested(t, { dangerSynthetic: { source: counted, root } })
  const seen: string[] = []
  const app = (request: { readonly url?: string | undefined }, response: { end(text: string): unknown }): void => {
    seen.push(request.url ?? '')
    response.end('hello')
  }
  const server = http2 ? createSecureServer(attestation.tls, app) : createServer(attestation.tls, app)
  await serving(t, attestation.protect(server), role.userPort)
  return { seen, quotes: () => quotes }
}

t.test('a function that answers serves: one challenge for a connection, none for what follows on it', async t => {
  const role = await startRole(t, policy, true)
  const { seen, quotes } = await place(t, role)
  for (let i = 0; i < 3; i++) t.match(await role.ask('/hello'), { status: 200, body: 'hello' })
  t.same(seen, ['/hello', '/hello', '/hello'])
  t.equal(quotes(), 1)
  t.equal((await role.probe()).status, 200)
  t.equal(quotes(), 2, 'the first probe asks')
  t.equal((await role.probe()).status, 200)
  t.equal(quotes(), 2, 'those after it rely on that')
  t.same(rulesTold(role), [])
})

/** The policy with a container of this version. */
function speaking(protocol: string, upstream: object = {}): string {
  const document = JSON.parse(policy)
  return JSON.stringify({ ...document, upstream: { ...document.upstream, protocol, ...upstream } })
}

for (const protocol of ['mirror', 'h2', 'auto']) {
  t.test(`a function of HTTP/2 is asked in it, behind the policy's "${protocol}"`, async t => {
    const role = await startRole(t, speaking(protocol), true)
    const { seen, quotes } = await place(t, role, true)
    const session = connectHttp2(`https://127.0.0.1:${role.tlsPort}`, { rejectUnauthorized: false })
    t.teardown(() => session.destroy())
    for (let i = 0; i < 3; i++) t.match(await askStream(session, { ':path': '/hello' }), { status: 200, body: 'hello' })
    t.same(seen, ['/hello', '/hello', '/hello'])
    t.equal(quotes(), 1, 'once, for all requests of the connection')
    t.same(rulesTold(role), [])
    const old = await role.ask('/old')
    t.equal(old.status, protocol === 'mirror' ? 502 : 200, 'a client of HTTP/1.1')
  })
}

t.test('a container that chooses HTTP/2 and does not know challenges hears one, and no request', async t => {
  for (const protocol of ['h2', 'auto']) {
    const role = await startRole(t, speaking(protocol), true)
    const heard: string[] = []
    const credential = await demoCredential(demoFunction())
    const server = withKeyPem(credential, pem =>
      createSecureServer({ ...pem, minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: false }),
    )
    server.on('stream', (stream, headers) => {
      heard.push(String(headers[':path']))
      stream.on('error', () => {})
      stream.respond({ ':status': 200 })
      stream.end('anything')
    })
    await serving(t, server, role.userPort)
    t.equal((await role.ask('/secret')).status, 502)
    t.same(heard, ['/.well-known/postern/attest'])
    t.match(rulesTold(role), [/challenge|evidence-malformed/])
  }
})

t.test('an http probe of a function of HTTP/2 asks once in a while', async t => {
  const text = speaking('h2', { probe: { path: '/healthz' } })
  const role = await startRole(t, text, true, undefined, { httpGet: { host: '127.0.0.1', path: '/' } })
  const { seen, quotes } = await place(t, role, true)
  await until('it is ready', async () => (await role.probe()).status === 200)
  t.equal((await role.probe()).status, 200)
  t.ok(seen.length >= 2)
  t.same([new Set(seen), quotes()], [new Set(['/healthz']), 1])
})

t.test('a burst of connections shares quotes, and everybody is served', async t => {
  const role = await startRole(t, policy, true)
  const { seen, quotes } = await place(t, role)
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => role.ask(`/${i}`)))
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
  t.equal(seen.length, 20)
  t.ok(quotes() < 10, `${quotes()} quotes`)
})

t.test('a container that does not know challenges is refused', async t => {
  const role = await startRole(t, policy, true)
  const container = await startContainer(role.userPort, await demoCredential(demoFunction()))
  t.teardown(() => container.close())
  t.equal((await role.ask('/secret')).status, 502)
  t.notMatch(container.heard.join(''), /secret/)
  t.match(container.heard[0], /^POST \/\.well-known\/postern\/attest /)
  t.match(rulesTold(role), [/challenge|evidence-malformed/])
})

/** An enclave elsewhere that answers anybody's challenges, and the key of its certificate, which has got out. */
async function robbed(t: Test): Promise<{ port: number; credential: Credential; spki: Uint8Array }> {
  const source = demoFunction()
  const credential = await demoCredential(source)
  const { spki } = readCertificate(credential.chain[0])
  const claims = { role: 'workload', policyDigest: new Uint8Array(32), service: undefined } as const
  const answerer = new Answerer({ source, claims, clock: systemClock })
  const answers = answersChallenges({ answerer, spkiOf: () => spki, failed: reason => t.fail(reason) })
  const server = withKeyPem(credential, pem => createServer({ ...pem, minVersion: 'TLSv1.3' }, answers))
  return { port: await serving(t, server), credential, spki }
}

/** Asks it a question, on a connection of one's own. */
async function relay(port: number, question: Uint8Array): Promise<Buffer> {
  const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  socket.write(posted(question))
  await once(socket, 'close')
  return Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')
}

interface Question {
  readonly body: Uint8Array
  /** Of the proxy, DER. */
  readonly clientLeaf: Uint8Array
}

/** Whoever has the key takes the enclave's place, and answers as well as it can. */
async function thief(
  t: Test,
  role: Role,
  credential: Credential,
  answer: (question: Question) => Promise<Uint8Array>,
): Promise<{ heard: string[] }> {
  const heard: string[] = []
  const listener = async (socket: TLSSocket): Promise<void> => {
    const at = heard.push('') - 1
    const clientLeaf = new Uint8Array(socket.getPeerCertificate().raw)
    socket.on('error', () => {})
    socket.on('data', async chunk => {
      heard[at] += chunk.toString('latin1')
      const body = Buffer.from(heard[at]?.slice(-challengeBytes) ?? '', 'latin1')
      if (!body.includes('challenge')) return
      const bytes = await answer({ body, clientLeaf })
      socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes.length}\r\n\r\n`), bytes]))
    })
  }
  const tls = { minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: false } as const
  const server = withKeyPem(credential, pem => createTlsServer({ ...tls, ...pem }, listener))
  server.on('tlsClientError', () => {})
  await serving(t, server, role.userPort)
  return { heard }
}

/** What a certificate shows in its evidence extension. */
const shownIn = (leaf: Uint8Array): Uint8Array =>
  readCertificate(leaf).extensions.find(({ oid }) => oid === taggedEvidenceOid)?.value ?? new Uint8Array()

t.test('with the key alone', async t => {
  const { port, credential, spki } = await robbed(t)
  const own = { spki, role: 'workload', policyDigest: new Uint8Array(32), service: undefined } as const
  const recorded = await relay(port, writeChallenge(new Uint8Array(32)))
  const rows: [name: string, rule: string, answer: (question: Question) => Promise<Uint8Array>][] = [
    ['the question passed on to the enclave', 'channel', ({ body }) => relay(port, body)],
    ['an answer that was recorded', 'channel', async () => recorded],
    ["the certificate's own evidence", 'use', async () => shownIn(credential.chain[0])],
    ["the proxy's own evidence, reflected", 'evidence-unbound', async ({ clientLeaf }) => shownIn(clientLeaf)],
    ['the question, reflected', 'evidence-malformed', async ({ body }) => body],
    [
      'fresh evidence of another enclave',
      'mrenclave',
      () => makeAnswer(demoStranger(), { ...own, channels: [spki.slice(0, 32)] }),
    ],
    ['more than an answer may be', 'challenge', async () => new Uint8Array(maxAnswerBytes + 1)],
  ]
  for (const [name, rule, answer] of rows) {
    t.test(`${name}: refused by ${rule}, and no request is heard`, async t => {
      const role = await startRole(t, policy, true)
      const { heard } = await thief(t, role, credential, answer)
      const { status, body } = await role.ask('/secret')
      t.match([status, body], [502, new RegExp(rule)])
      t.ok(rulesTold(role).includes(rule))
      t.equal(heard.length, 1)
      t.match(
        heard[0],
        /^POST \/\.well-known\/postern\/attest HTTP\/1\.1\r\nHost: [^\r]*\r\nContent-Type: [^\r]*\r\nContent-Length: 47\r\n\r\n.{47}$/s,
      )
      t.equal(await role.metric(`postern_upstream_refused_total{rule="${rule}"}`), 1)
    })
  }
})
