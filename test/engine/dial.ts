import { once } from 'node:events'
import { createServer as createPlainServer } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { createSecureContext, createServer as createTlsServer, TLSSocket, type TlsOptions } from 'node:tls'
import t, { type Test } from 'tap'
import { Fault } from '../../src/base/errors.ts'
import {
  type DialOptions,
  type Finding,
  type Judge,
  type Link,
  makeDialer,
  type Reason,
} from '../../src/engine/dial.ts'
import { ecKeys, type Keys, makeCertificate } from '../support/certificates.ts'
import { FakeClock } from '../support/clock.ts'
import { settled } from '../support/gate.ts'
import { freePort, listen, readAll } from '../support/sockets.ts'

const pem = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`
const keyPem = (keys: Keys): string => keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

const ca = { name: 'ca', keys: ecKeys() }
const caDer = await makeCertificate({ ...ca, ca: true })
const leafKeys = ecKeys()
const leafDer = await makeCertificate({ name: 'container', keys: leafKeys, issuer: ca })
const shown = { key: keyPem(leafKeys), cert: pem(leafDer) + pem(caDer) }

const accepted: Finding = { accepted: true, until: Number.POSITIVE_INFINITY }
const refusal: Reason = { rule: 'mrenclave', want: 'ours', got: 'another' }

interface StubJudge extends Judge {
  readonly chains: (readonly Uint8Array[])[]
}

function stubJudge(find: Judge['judge'] = () => Promise.resolve(accepted), options: Partial<Judge> = {}): StubJudge {
  const chains: (readonly Uint8Array[])[] = []
  return {
    chains,
    judge(chain) {
      chains.push(chain)
      return find(chain)
    },
    secureContext: () => createSecureContext(),
    chainToContext: false,
    policyDigest: 'd1',
    collateralGeneration: () => 1,
    ...options,
  }
}

/** A container over TLS that counts what arrives after the handshake. */
async function container(t: Test, options: TlsOptions = shown) {
  const seen = { handshakes: 0, resumed: 0, bytes: 0 }
  let gone: () => void = () => {}
  const closed = new Promise<void>(resolve => {
    gone = resolve
  })
  const sockets: TLSSocket[] = []
  const server = createTlsServer(options, socket => {
    sockets.push(socket)
    seen.handshakes++
    if (socket.isSessionReused()) seen.resumed++
    socket.on('data', chunk => {
      seen.bytes += chunk.length
    })
    socket.on('error', () => {})
    socket.on('close', () => gone())
  })
  server.on('tlsClientError', () => gone())
  return { port: await listen(t, server), seen, sockets, closed }
}

function rig(port: number, judge: Judge | undefined, options: Partial<DialOptions> = {}) {
  const clock = new FakeClock()
  const refused: (readonly Reason[])[] = []
  const dialer = makeDialer({
    host: '127.0.0.1',
    port,
    clock,
    judge,
    refused: reasons => refused.push(reasons),
    ...options,
  })
  const outcomes: (Link | Fault)[] = []
  let told: () => void = () => {}
  const outcome = new Promise<void>(resolve => {
    told = resolve
  })
  const dial = (): (() => void) =>
    dialer.dial(each => {
      outcomes.push(each)
      if (!(each instanceof Fault)) each.socket.on('error', () => {})
      told()
    })
  /** The fault, where there has to be one. */
  async function fails(): Promise<Fault> {
    dial()
    await outcome
    const [each] = outcomes
    if (!(each instanceof Fault)) throw new Error('a link was handed over')
    return each
  }
  /** The link, where there has to be one; it is closed with the test. */
  async function links(t: Test): Promise<Link> {
    dial()
    await outcome
    const each = outcomes.at(-1)
    if (!each || each instanceof Fault) throw each ?? new Error('no link')
    t.teardown(() => each.socket.destroy())
    return each
  }
  return { clock, dialer, dial, outcomes, outcome, refused, fails, links }
}

/** A server of bare TCP connections. */
const bare = (t: Test, serve: (socket: Socket) => void): Promise<number> => listen(t, createServer(serve))

t.test('plain: a connection is handed over as it is, with a verdict that says nothing', async t => {
  const port = await bare(t, socket => socket.end('hello'))
  const { dialer, links, clock } = rig(port, undefined)
  t.equal(dialer.verified, false)
  const { socket, verdict } = await links(t)
  t.same(verdict, { leafSha256: '', policyDigest: '', collateralGeneration: 0, until: Number.POSITIVE_INFINITY })
  t.equal(dialer.valid(verdict), true)
  t.equal(clock.pending, 0)
  t.equal(String(await readAll(socket)), 'hello')
})

t.test('plain: nobody listens', async t => {
  const port = await freePort()
  t.match(await rig(port, undefined).fails(), {
    code: 'upstream-refused',
    message: `dial tcp 127.0.0.1:${port}: connect: connection refused`,
  })
})

t.test('plain: an address that cannot be reached', async t => {
  const fault = await rig(1, undefined, { host: '255.255.255.255' }).fails()
  t.match(fault, { code: 'upstream-unreachable', message: /^dial tcp 255\.255\.255\.255:1: E[A-Z]+$/ })
})

t.test('TLS: nobody listens', async t => {
  const { fails, refused } = rig(await freePort(), stubJudge())
  t.match(await fails(), { code: 'upstream-refused' })
  t.same(refused, [], 'that is no refusal of ours')
})

t.test('TLS: the judge sees the chain, leaf first, before the socket is handed over', async t => {
  const { port, seen } = await container(t)
  let rule: (finding: Finding) => void = () => {}
  const judge = stubJudge(
    () =>
      new Promise(resolve => {
        rule = resolve
      }),
  )
  const { dialer, dial, outcome, outcomes, refused, clock } = rig(port, judge)
  t.equal(dialer.verified, true)
  dial()
  while (judge.chains.length === 0 || seen.handshakes === 0) await settled()
  t.same(
    judge.chains[0]?.map(der => Buffer.from(der)),
    [Buffer.from(leafDer), Buffer.from(caDer)],
  )
  t.same(outcomes, [], 'nothing is handed over yet')
  rule({ accepted: true, until: 5 })
  await outcome
  const [link] = outcomes
  if (!link || link instanceof Fault) throw new Error('no link')
  t.match(link.verdict, { leafSha256: /^[0-9a-f]{64}$/, policyDigest: 'd1', collateralGeneration: 1, until: 5 })
  t.equal(seen.bytes, 0)
  t.equal(clock.pending, 0)
  t.same(refused, [])
  link.socket.end('request')
  while (seen.bytes < 7) await settled()
  t.pass('and then bytes flow')
  link.socket.destroy()
})

t.test('TLS: the leaf is named by its hash', async t => {
  const { port } = await container(t)
  const { createHash } = await import('node:crypto')
  const { verdict } = await rig(port, stubJudge()).links(t)
  t.equal(verdict.leafSha256, createHash('sha256').update(leafDer).digest('hex'))
})

t.test('TLS: the collateral that counts is that at the beginning of the judgement', async t => {
  const { port } = await container(t)
  let generation = 1
  const judge = stubJudge(
    async () => {
      generation++
      return accepted
    },
    { collateralGeneration: () => generation },
  )
  const { dialer, links } = rig(port, judge)
  const { verdict } = await links(t)
  t.equal(verdict.collateralGeneration, 1)
  t.equal(dialer.valid(verdict), false)
})

const refusals: [name: string, judge: Judge['judge'], expected: Partial<Reason>[], message: string | RegExp][] = [
  [
    'a peer that the judge refuses, with every reason',
    () => Promise.resolve({ accepted: false, reasons: [refusal, { ...refusal, rule: 'debug' }] }),
    [refusal, { rule: 'debug' }],
    'mrenclave: want ours, got another; debug: want ours, got another',
  ],
  [
    'a judge that rejects, without its text',
    () => Promise.reject(new TypeError('secret')),
    [{ rule: 'internal', got: 'TypeError' }],
    'internal: want a judgement, got TypeError',
  ],
  [
    'a judge that throws',
    () => {
      throw new TypeError('secret')
    },
    [{ rule: 'internal', got: 'TypeError' }],
    'internal: want a judgement, got TypeError',
  ],
]
for (const [name, judge, expected, message] of refusals) {
  t.test(`TLS: ${name}: refused, told, and not one byte`, async t => {
    const { port, seen, closed } = await container(t)
    const find: Judge['judge'] = async chain => {
      while (seen.handshakes === 0) await settled()
      return judge(chain)
    }
    const { fails, refused, clock, outcomes } = rig(port, stubJudge(name.includes('throws') ? judge : find))
    t.match(await fails(), { code: 'upstream-untrusted', message })
    t.match(refused, [expected])
    await closed
    t.equal(seen.bytes, 0)
    t.equal(clock.pending, 0)
    t.equal(outcomes.length, 1)
  })
}

t.test('TLS: what breaks before the judge is asked is a refusal too', async t => {
  const { port } = await container(t)
  const collateralGeneration = (): number => {
    throw new TypeError('secret')
  }
  const { fails, refused } = rig(port, stubJudge(undefined, { collateralGeneration }))
  t.match(await fails(), { code: 'upstream-untrusted', message: 'internal: want a judgement, got TypeError' })
  t.match(refused, [[{ rule: 'internal' }]])
})

t.test('TLS: no session is resumed, though the container offers it', async t => {
  const { port, seen } = await container(t)
  const judge = stubJudge()
  const context = createSecureContext()
  const { dial, outcomes } = rig(port, { ...judge, secureContext: () => context })
  for (let i = 1; i <= 3; i++) {
    dial()
    while (outcomes.length < i) await settled()
    const link = outcomes[i - 1]
    if (!link || link instanceof Fault) throw link ?? new Error('no link')
    await new Promise(resolve => link.socket.once('session', resolve))
    link.socket.destroy()
  }
  t.match(seen, { handshakes: 3, resumed: 0 })
  t.equal(judge.chains.length, 3, 'each connection is judged')
})

const odd: [name: string, method: 'isSessionReused' | 'getPeerCertificate', answer: unknown, got: string][] = [
  ['a session that was resumed all the same', 'isSessionReused', true, 'a resumed session'],
  ['a peer that shows no certificate', 'getPeerCertificate', {}, 'none'],
]
for (const [name, method, answer, got] of odd) {
  t.test(`TLS: ${name} is refused unjudged`, async t => {
    const { port, seen, closed } = await container(t)
    t.intercept(TLSSocket.prototype, method, { value: () => answer })
    const judge = stubJudge()
    const { fails, refused } = rig(port, judge)
    t.match(await fails(), { code: 'upstream-untrusted' })
    t.match(refused, [[{ rule: 'certificate', got }]])
    t.same(judge.chains, [])
    await closed
    t.equal(seen.bytes, 0)
  })
}

t.test('TLS: a chain of eight is read, one of nine is none', async t => {
  for (const [length, ok] of [
    [8, true],
    [9, false],
  ] as const) {
    let issuer = ca
    const ders = [caDer]
    while (ders.length < length) {
      const next = { name: `ca ${ders.length}`, keys: ecKeys() }
      ders.unshift(await makeCertificate({ ...next, issuer, ca: ders.length < length - 1 }))
      issuer = next
    }
    const { port } = await container(t, { key: keyPem(issuer.keys), cert: ders.map(pem).join('') })
    const judge = stubJudge()
    const { fails, links } = rig(port, judge)
    if (ok) await links(t)
    else t.match(await fails(), { code: 'upstream-untrusted' })
    t.equal(judge.chains[0]?.length, ok ? length : undefined)
  }
})

t.test('TLS: where only our CAs count, OpenSSL refuses before the judge is asked', async t => {
  const { port, seen, closed } = await container(t)
  const judge = stubJudge(undefined, {
    chainToContext: true,
    secureContext: () => createSecureContext({ ca: [pem(leafDer)] }),
  })
  const { fails, refused } = rig(port, judge)
  t.match(await fails(), { code: 'upstream-untrusted', message: /^handshake: want TLS 1\.3 with a certificate, got / })
  t.match(refused, [[{ rule: 'handshake' }]])
  t.same(judge.chains, [])
  await closed
  t.equal(seen.bytes, 0)
})

t.test('TLS: a chain to one of our CAs is still judged', async t => {
  const { port } = await container(t)
  const judge = stubJudge(undefined, {
    chainToContext: true,
    secureContext: () => createSecureContext({ ca: [pem(caDer)] }),
  })
  await rig(port, judge).links(t)
  t.equal(judge.chains.length, 1)
})

t.test('TLS: our own certificate is shown where the context holds one', async t => {
  const { port, sockets } = await container(t, { ...shown, requestCert: true, rejectUnauthorized: false })
  await rig(port, stubJudge(undefined, { secureContext: () => createSecureContext(shown) })).links(t)
  while (sockets.length === 0) await settled()
  t.equal(sockets[0]?.getPeerCertificate().subject.CN, 'container')
})

const strangers: [name: string, serve: (socket: Socket) => void, code: string, rule: string | undefined][] = [
  ['closes at once', socket => socket.end(), 'upstream-reset', undefined],
  ['resets', socket => socket.once('data', () => socket.resetAndDestroy()), 'upstream-reset', undefined],
  [
    'speaks something else',
    socket => socket.once('data', () => socket.write('SSH-2.0-OpenSSH_9.9\r\n')),
    'upstream-untrusted',
    'handshake',
  ],
]
for (const [name, serve, code, rule] of strangers) {
  t.test(`TLS: a peer that ${name}: ${code}`, async t => {
    const judge = stubJudge()
    const { fails, refused } = rig(await bare(t, serve), judge)
    t.match(await fails(), { code })
    t.match(refused, rule ? [[{ rule }]] : [])
    t.same(judge.chains, [])
  })
}

t.test('TLS: a peer that speaks plain HTTP is refused and gets no request', async t => {
  let requests = 0
  const server = createPlainServer(() => requests++)
  const { fails, refused } = rig(await listen(t, server), stubJudge())
  t.match(await fails(), { code: 'upstream-untrusted', message: /^handshake: .*ERR_SSL/ })
  t.equal(refused.length, 1)
  t.equal(requests, 0)
})

t.test('TLS: 1.2 is not enough', async t => {
  const { port, seen, closed } = await container(t, { ...shown, maxVersion: 'TLSv1.2' })
  const judge = stubJudge()
  const { fails, refused } = rig(port, judge)
  const message = 'handshake: want TLS 1.3 with a certificate, got TLSv1.2'
  t.match(await fails(), { code: 'upstream-untrusted', message })
  t.equal(refused.length, 1)
  t.same(judge.chains, [], 'whatever the context allows')
  await closed
  t.equal(seen.bytes, 0)
})

t.test('TLS: a peer that closes while it is judged', async t => {
  const { port, sockets } = await container(t)
  let rule: (finding: Finding) => void = () => {}
  const judge = stubJudge(
    () =>
      new Promise(resolve => {
        rule = resolve
      }),
  )
  const { dial, outcome, outcomes, refused } = rig(port, judge)
  dial()
  while (judge.chains.length === 0 || sockets.length === 0) await settled()
  sockets[0]?.end()
  await outcome
  t.match(outcomes, [{ code: 'upstream-closed', message: 'EOF' }])
  rule({ accepted: false, reasons: [refusal] })
  await settled()
  t.equal(outcomes.length, 1, 'told once')
  t.same(refused, [], 'a judgement that comes too late is nobody’s')
})

t.test('a handshake that does not come to an end is given up after 10 s', async t => {
  const port = await bare(t, socket => socket.resume())
  const { clock, dial, outcome, outcomes } = rig(port, stubJudge())
  dial()
  clock.advance(9_999)
  await settled()
  t.same(outcomes, [])
  clock.advance(1)
  await outcome
  t.match(outcomes, [{ code: 'upstream-unreachable', message: `timed out dialing 127.0.0.1:${port}` }])
})

t.test('a judgement that does not come to an end is given up as well, and what it finds later is void', async t => {
  const { port, seen, closed } = await container(t)
  let rule: (finding: Finding) => void = () => {}
  const judge = stubJudge(
    () =>
      new Promise(resolve => {
        rule = resolve
      }),
  )
  const { clock, dial, outcome, outcomes } = rig(port, judge)
  dial()
  while (judge.chains.length === 0) await settled()
  clock.advance(10_000)
  await outcome
  rule(accepted)
  await closed
  await settled()
  t.match(outcomes, [{ code: 'upstream-unreachable' }])
  t.equal(outcomes.length, 1)
  t.equal(seen.bytes, 0)
})

const cancels: [name: string, when: (judge: StubJudge) => Promise<void>][] = [
  ['at once', async () => {}],
  [
    'while the peer is judged',
    async judge => {
      while (judge.chains.length === 0) await settled()
    },
  ],
]
for (const [name, when] of cancels) {
  t.test(`who gives up ${name} hears nothing, and the connection is closed`, async t => {
    const { port, closed, seen } = await container(t)
    let rule: (finding: Finding) => void = () => {}
    const judge = stubJudge(
      () =>
        new Promise(resolve => {
          rule = resolve
        }),
    )
    const { dial, outcomes, refused, clock } = rig(port, judge)
    const cancel = dial()
    await when(judge)
    t.equal(clock.pending, 1)
    cancel()
    cancel()
    rule(accepted)
    if (judge.chains.length > 0) await closed
    await settled()
    t.same([outcomes, refused, clock.pending, seen.bytes], [[], [], 0, 0])
  })
}

t.test('giving up after the hand-over is too late', async t => {
  const port = await bare(t, socket => socket.resume())
  const { dial, outcome, outcomes } = rig(port, undefined)
  const cancel = dial()
  await outcome
  cancel()
  const [link] = outcomes
  if (!link || link instanceof Fault) throw new Error('no link')
  t.equal(link.socket.destroyed, false)
  link.socket.destroy()
  await once(link.socket, 'close')
  t.equal(outcomes.length, 1, 'the end of a link is its owner’s business')
})

t.test('a context that cannot be had is a fault that is told, later', async t => {
  const judge = stubJudge(undefined, {
    secureContext: () => {
      throw new Fault('credential-invalid', 'nothing to show')
    },
  })
  const { dial, outcomes, outcome, clock } = rig(1, judge)
  const cancel = dial()
  t.same(outcomes, [])
  await outcome
  cancel()
  t.match(outcomes, [{ code: 'credential-invalid', message: 'nothing to show' }])
  t.equal(clock.pending, 0)
})

const now = Date.UTC(2026, 0, 1)
const verdict = { leafSha256: 'a', policyDigest: 'd1', collateralGeneration: 1, until: now + 1 }
const validity: [name: string, verdict: Partial<typeof verdict>, valid: boolean][] = [
  ['one that still holds', {}, true],
  ['one that ends now', { until: now }, false],
  ['one that has ended', { until: now - 1 }, false],
  ['one of another policy', { policyDigest: 'd0' }, false],
  ['one of older collateral', { collateralGeneration: 0 }, false],
  ['one of newer collateral', { collateralGeneration: 2 }, false],
  ['that of a plaintext leg', { policyDigest: '', collateralGeneration: 0, until: Number.POSITIVE_INFINITY }, false],
]
for (const [name, differs, valid] of validity) {
  t.test(`a verdict, ${name}, is ${valid ? '' : 'not '}good for one more request`, async t => {
    t.equal(rig(1, stubJudge()).dialer.valid({ ...verdict, ...differs }), valid)
  })
}
