// Everything that can be renewed is renewed every so often, under load: what we show, whom we trust, what the container
// shows. Real parts in this process: keeper, TLS listener, engine, dialer, judge, bundle.

import { once } from 'node:events'
import { createServer, Agent as HttpsAgent, type RequestOptions, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import { systemClock } from '../../src/base/clock.ts'
import { readPolicy } from '../../src/config/policy.ts'
import { makeBytesEngine } from '../../src/engine/bytes.ts'
import { makeDialer } from '../../src/engine/dial.ts'
import type { Gate } from '../../src/gate/contract.ts'
import { TrustBundle } from '../../src/identity/bundle.ts'
import { type Credential, chainPem, toCredential, withKeyPem } from '../../src/identity/credential.ts'
import { Keeper } from '../../src/identity/keeper.ts'
import { rotate } from '../../src/identity/rotate.ts'
import { generateKey, issue } from '../../src/identity/x509.ts'
import { Credentials } from '../../src/proxy/credentials.ts'
import { tlsListener } from '../../src/proxy/listeners.ts'
import { makeJudge } from '../../src/proxy/upstream.ts'
import { makeRoot, type TestAuthority } from './identity.ts'

export interface RotationOptions {
  readonly seconds: number
  /** Between two of each. */
  readonly everyMs: number
  /** Clients that keep their connection, clients that open one for each request, tunnels that are used all the time. */
  readonly kept: number
  readonly fresh: number
  readonly tunnels: number
  /** What each of them rests between two requests. */
  readonly restMs: number
}

export interface RotationSummary {
  readonly requests: number
  readonly messages: number
  /** Of each kind, how many were shown by a new connection, or judged. */
  readonly certificates: number
  readonly bundles: number
  readonly containers: number
  /** Connections to impostors that were refused, as they all must be. */
  readonly refused: number
  /** Empty where everything held. */
  readonly problems: readonly string[]
}

const name = 'data-plane.knative.dev'
const containerName = 'app.example.org'
const minute = 60_000
/** What a tunnel has left once its verdict holds no longer (engine/expiry.ts). */
const graceMs = 60_000
const dates = () => ({ notBefore: Date.now() - minute, notAfter: Date.now() + 60 * minute })

const admitAll: Gate = {
  enter: () => ({
    order: 'start',
    interim() {},
    responded() {},
    received() {},
    sent() {},
    failed: fault => ({ status: fault.status, headers: [], body: `${fault.code}: ${fault.message}` }),
    finished() {},
  }),
}

async function credentialOf(issuer: TestAuthority, dnsName: string, fields = dates()): Promise<Credential> {
  const key = generateKey()
  const leaf = await issue({
    ...fields,
    subject: { commonName: 'leaf' },
    dnsNames: [dnsName],
    issuer,
    publicKey: key.publicKey,
  })
  return toCredential([leaf], key.privateKey, 'enclave')
}

/** A container that answers with the path it was asked for, and whose tunnels echo. */
async function openContainer(credential: Credential) {
  const server = withKeyPem(credential, pem => createServer({ ...pem, minVersion: 'TLSv1.3', keepAliveTimeout: 0 }))
  server.on('request', (message, response) => response.end(message.url))
  server.on('upgrade', (_message, socket: Duplex) => {
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    socket.pipe(socket)
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

export async function rotating(options: RotationOptions): Promise<RotationSummary> {
  const { everyMs, restMs } = options
  const clock = systemClock
  const problems: string[] = []
  const complain = (what: string): void => {
    if (problems.length < 20) problems.push(what)
  }
  const stop = new AbortController()
  const { signal } = stop
  const closers: (() => unknown)[] = []

  // Whom we trust, and who the container is.
  let root = await makeRoot('containers 0', dates())
  const withdrawn: TestAuthority[] = []
  const bundle = new TrustBundle(clock, [root.certificate])
  const container = await openContainer(await credentialOf(root, containerName))
  const impostor = await openContainer(await credentialOf(await makeRoot('impostor', dates()), containerName))
  closers.push(
    () => container.server.closeAllConnections(),
    () => container.server.close(),
  )
  closers.push(
    () => impostor.server.closeAllConnections(),
    () => impostor.server.close(),
  )

  // What we show.
  const front = await makeRoot('front', dates())
  let certificates = 0
  const keeper = new Keeper({
    clock,
    report: event => event.event !== 'credential-installed' && complain(event.event),
    source: {
      name: 'test',
      attested: false,
      credentials: (signal, failed) =>
        rotate({
          clock,
          signal,
          failed,
          random: () => 0,
          issue: () => {
            certificates++
            // Its second third ends in so many milliseconds.
            const life = 60 * minute
            const notBefore = Date.now() + everyMs - (life * 2) / 3
            return credentialOf(front, name, { notBefore, notAfter: notBefore + life })
          },
        }),
    },
  })
  const credentials = new Credentials()
  const policy = readPolicy(
    Buffer.from(
      JSON.stringify({
        version: 1,
        name: 'rotation',
        upstream: {
          mode: 'ca',
          ca: { bundle: chainPem([root.certificate]), san: containerName },
          clientCertificate: true,
          upgrade: { allow: ['echo'] },
        },
      }),
    ),
    'rotation',
  )
  const judge = makeJudge({
    policy,
    policyDigest: '00',
    clock,
    bundle,
    own: { mrenclave: undefined, leafSha256s: credentials.leafSha256s, credential: () => credentials.current },
    collateral: undefined,
  })
  const dialerTo = (port: number, refused: (rule: string) => void) =>
    makeDialer({ host: '127.0.0.1', port, clock, judge, refused: reasons => refused(reasons[0]?.rule ?? '') })
  const engine = makeBytesEngine(admitAll, {
    dialer: dialerTo(container.port, rule => complain(`the container was refused: ${rule}`)),
    clock,
    authority: `127.0.0.1:${container.port}`,
    upgrades: token => token === 'echo',
    strip: [],
    allowUnframed: false,
    maxIdleUpstream: 100,
    idleConnectionMs: 0,
  })
  const rules = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: undefined, curves: undefined } as const
  const tls = tlsListener(engine, 10_000, rules)
  tls.server.listen(0, '127.0.0.1')
  await once(tls.server, 'listening')
  const { port } = tls.server.address() as AddressInfo
  credentials.follow(keeper, tls)
  keeper.start()
  await keeper.ready(10_000)
  closers.push(
    () => keeper.stop(),
    () => engine.destroy(),
    () => tls.server.close(),
  )

  const counts = { requests: 0, messages: 0, bundles: 0, containers: 0, refused: 0 }
  const toFront = { host: '127.0.0.1', port, servername: name, ca: chainPem([front.certificate]) }

  function ask(path: string, how: RequestOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const asked = request({ ...toFront, ...how, path }, answer => {
        let text = ''
        answer.setEncoding('latin1').on('data', (part: string) => {
          text += part
        })
        answer.on('error', reject)
        answer.on('end', () => {
          counts.requests++
          if (answer.statusCode === 200 && text === path) resolve()
          else reject(new Error(`${answer.statusCode} ${text}`))
        })
      })
      asked.on('error', reject)
      asked.end()
    })
  }

  async function client(number: number, agent: HttpsAgent | false): Promise<void> {
    for (let n = 0; !signal.aborted; n++) {
      await ask(`/${number}/${n}`, { agent }).catch(error => complain(`a request failed: ${error}`))
      if (restMs > 0) await delay(restMs)
    }
    if (agent) agent.destroy()
  }

  /** One after another: each ends a minute after the anchor that its container hung from is withdrawn, and no sooner. */
  async function tunnel(): Promise<void> {
    while (!signal.aborted) {
      const opened = Date.now()
      await oneTunnel().catch(error => complain(`a tunnel broke: ${error}`))
      if (!signal.aborted && Date.now() - opened < everyMs + graceMs) complain('a tunnel ended')
    }
  }

  async function oneTunnel(): Promise<void> {
    const socket = connect(toFront)
    const over = new AbortController()
    socket.on('error', () => {})
    socket.on('close', () => over.abort())
    socket.setEncoding('latin1')
    await once(socket, 'secureConnect')
    socket.write('GET /tunnel HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    const [head] = (await once(socket, 'data')) as [string]
    if (!head.startsWith('HTTP/1.1 101 ')) complain(`no tunnel: ${head.slice(0, 60)}`)
    for (let n = 0; !signal.aborted && !socket.destroyed; n++) {
      socket.write(`${n};`)
      const [echo] = (await once(socket, 'data', { signal: over.signal }).catch(() => [`${n};`])) as [string]
      if (echo !== `${n};`) complain(`a tunnel said ${echo} for ${n};`)
      counts.messages++
      await delay(Math.max(restMs, 1))
    }
    socket.destroy()
  }

  /** Nobody whom the bundle of the moment does not hold is ever accepted. */
  function impostorIsRefused(): Promise<void> {
    return new Promise(resolve => {
      dialerTo(impostor.port, () => {}).dial(outcome => {
        if ('socket' in outcome) {
          outcome.socket.destroy()
          complain('an impostor was accepted')
        } else if (outcome.code === 'upstream-untrusted') counts.refused++
        else complain(`an impostor was not judged: ${outcome.message}`)
        resolve()
      })
    })
  }

  async function renewals(): Promise<void> {
    for (let n = 1; !signal.aborted; n++) {
      await delay(everyMs / 2, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      withdrawn.push(root)
      root = await makeRoot(`containers ${n}`, dates())
      bundle.replace([root.certificate], everyMs)
      counts.bundles++
      await delay(everyMs / 2, undefined, { signal }).catch(() => {})
      const next = await credentialOf(root, containerName)
      withKeyPem(next, pem => container.server.setSecureContext({ ...pem, minVersion: 'TLSv1.3' }))
      counts.containers++
      await impostorIsRefused()
      // The one before the last has left the overlap; whoever it certified is nobody now.
      const gone = withdrawn.at(-3)
      if (!gone) continue
      const former = await credentialOf(gone, containerName)
      withKeyPem(former, pem => impostor.server.setSecureContext({ ...pem, minVersion: 'TLSv1.3' }))
      await impostorIsRefused()
    }
  }

  const each = <T>(count: number, run: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => run(n))
  const work = [
    renewals(),
    ...each(options.kept, n => client(n, new HttpsAgent({ keepAlive: true, maxSockets: 1 }))),
    ...each(options.fresh, n => client(1_000 + n, false)),
    ...each(options.tunnels, () => tunnel()),
  ]
  await delay(options.seconds * 1000)
  stop.abort()
  await Promise.all(work)
  for (const close of closers.reverse()) await close()
  return { ...counts, certificates, problems }
}
