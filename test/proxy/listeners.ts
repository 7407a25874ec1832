import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import type { Engine } from '../../src/engine/engine.ts'
import type { Peer } from '../../src/gate/contract.ts'
import { chainPem } from '../../src/identity/credential.ts'
import {
  type Admission,
  bind,
  type ClientJudge,
  plainListener,
  type TlsRules,
  tls13Ciphers,
  tlsListener,
} from '../../src/proxy/listeners.ts'
import { FakeClock, hour, makeCredential, settle, start } from '../support/identity.ts'
import { until } from '../support/process.ts'
import { exchange, freePort, listen } from '../support/sockets.ts'

/** An engine that takes connections and says so. */
function taker() {
  const taken: { peer: Peer; socket: Socket }[] = []
  const engine = {
    accept(socket: Socket, peer: Peer): () => void {
      taken.push({ peer, socket })
      socket.on('error', () => {})
      // Half-open sockets stay until somebody ends them, which is the engine's job.
      socket.on('end', () => socket.end())
      socket.resume()
      socket.write('taken')
      return () => {}
    },
  } as Partial<Engine> as Engine
  return { engine, taken }
}

async function open(t: Test, port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect(port, host)
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

function closing(t: Test, server: Server): Server {
  t.teardown(() => server.close())
  return server
}

t.test('a taken port is told with its number, its name and the way out', async t => {
  const port = await listen(t, createServer())
  await t.rejects(bind(createServer(), port, 'main'), {
    code: 'bind-failed',
    message: `listen tcp :${port}: bind: address already in use (main); another process holds the port: stop it or move the port`,
  })
})

t.test('any other trouble is told by its code', async t => {
  const server = createServer()
  const bound = bind(server, await freePort(), 'admin')
  server.emit('error', Object.assign(new Error('no'), { code: 'EACCES' }))
  await t.rejects(bound, { code: 'bind-failed', message: /bind: EACCES \(admin\)$/ })
  server.close()
  const other = createServer()
  const failed = bind(other, await freePort(), 'admin')
  other.emit('error', new Error('no'))
  await t.rejects(failed, { message: /bind: failed \(admin\)$/ })
  other.close()
})

t.test('an error of a server that listens ends nothing', async t => {
  const { engine, taken } = taker()
  const server = closing(t, plainListener(engine, 10))
  const port = await freePort()
  await bind(server, port, 'main')
  server.emit('error', Object.assign(new Error('accept'), { code: 'EMFILE' }))
  await open(t, port)
  await until('it goes on', () => taken.length === 1)
})

t.test('addresses of clients are plain, from both families', async t => {
  const { engine, taken } = taker()
  const server = closing(t, plainListener(engine, 10))
  const port = await freePort()
  await bind(server, port, 'main')
  await open(t, port, '127.0.0.1')
  await until('IPv4', () => taken.length === 1)
  t.match(taken[0]?.peer, { address: '127.0.0.1', port: Number, secure: false })
  if ((server.address() as AddressInfo).family !== 'IPv6') {
    t.comment('NOT TESTED: no IPv6 on this machine')
    return
  }
  await open(t, port, '::1')
  await until('IPv6', () => taken.length === 2)
  t.match(taken[1]?.peer, { address: '::1', port: Number, secure: false })
})

t.test('connections beyond the limit are dropped, and a place that is left is taken again', async t => {
  const { engine, taken } = taker()
  const port = await listen(t, plainListener(engine, 2))
  const [first] = [await open(t, port), await open(t, port)]
  await until('two are in', () => taken.length === 2)
  const third = await open(t, port)
  await until('the third is dropped', () => third.destroyed || third.readableEnded)
  t.equal(taken.length, 2)
  first?.destroy()
  await until('a fourth is in', async () => {
    await open(t, port)
    return taken.length === 3
  })
})

const modern: TlsRules = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: undefined, curves: undefined }

type ByClients = Parameters<typeof tlsListener>[3]

async function tls(t: Test, rules: TlsRules = modern, show = true, clients?: ByClients) {
  const { engine, taken } = taker()
  const listener = tlsListener(engine, 100, rules, clients)
  const port = await listen(t, listener.server)
  const { key, chain } = await makeCredential()
  const pem = Buffer.from(key.export({ type: 'pkcs8', format: 'pem' }))
  const shown = { key: pem, cert: chainPem(chain) }
  if (show) listener.show(shown)
  const handshake = async (options: ConnectionOptions = {}): Promise<TLSSocket | string> => {
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
  return { listener, port, taken, handshake, shown }
}

t.test('behind TLS the engine gets a connection that is marked secure', async t => {
  const { taken, handshake } = await tls(t)
  const socket = await handshake({ ALPNProtocols: ['h2', 'http/1.1'] })
  if (typeof socket === 'string') throw new Error(socket)
  t.equal(socket.alpnProtocol, 'h2')
  t.equal(socket.getCipher().name, tls13Ciphers.split(':')[0], 'our order wins')
  await until('it is in', () => taken.length === 1)
  t.match(taken[0]?.peer, { address: '127.0.0.1', port: Number, secure: true })
})

t.test('versions and ciphers are those of the rules', async t => {
  const both = { ...modern, minVersion: 'TLSv1.2' } as const
  const cases: [name: string, rules: TlsRules, client: ConnectionOptions, version: string | null][] = [
    ['1.3 alone refuses 1.2', modern, { maxVersion: 'TLSv1.2' }, null],
    ['a floor of 1.2 takes 1.2', both, { maxVersion: 'TLSv1.2' }, 'TLSv1.2'],
    ['a floor of 1.2 prefers 1.3', both, {}, 'TLSv1.3'],
    ['a ceiling of 1.2', { ...both, maxVersion: 'TLSv1.2' }, {}, 'TLSv1.2'],
    ['a curve that is not in the rules', { ...modern, curves: 'P-384' }, { ecdhCurve: 'P-256' }, null],
    ['a curve that is', { ...modern, curves: 'P-384' }, { ecdhCurve: 'P-384' }, 'TLSv1.3'],
  ]
  for (const [name, rules, client, version] of cases) {
    t.test(name, async t => {
      const { handshake } = await tls(t, rules)
      const socket = await handshake(client)
      t.equal(typeof socket === 'string' ? null : socket.getProtocol(), version)
    })
  }
  t.test('a cipher of the rules', async t => {
    const { handshake } = await tls(t, { ...modern, ciphers: 'TLS_CHACHA20_POLY1305_SHA256' })
    const socket = await handshake()
    t.equal(typeof socket === 'string' ? socket : socket.getCipher().name, 'TLS_CHACHA20_POLY1305_SHA256')
  })
})

t.test('without anything to show handshakes fail, and open connections live on', async t => {
  const { listener, handshake, shown, taken } = await tls(t, modern, false)
  t.type(await handshake(), 'string')
  listener.show(shown)
  const socket = await handshake()
  if (typeof socket === 'string') throw new Error(socket)
  await until('it is in', () => taken.length === 1)
  listener.refuse()
  t.type(await handshake(), 'string')
  taken[0]?.socket.write(' still here')
  let text = ''
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part
  })
  await until('a last word', () => text.endsWith('still here'))
})

t.test('what is no TLS is closed, and plain HTTP is told why', async t => {
  const { port, taken, handshake } = await tls(t)
  t.match(await exchange(port, 'GET / HTTP/1.1\r\n\r\n'), /^HTTP\/1\.0 400 .*an HTTP request to an HTTPS server\.\n$/s)
  t.notMatch(await exchange(port, '\u0016\u0003\u0001\u0000\u0005hello').catch(() => ''), 'HTTP')
  t.notMatch(await exchange(port, 'SSH-2.0-client\r\n').catch(() => ''), 'HTTP')
  t.equal(taken.length, 0)
  t.type(await handshake(), 'object')
})

t.test('no client is asked for a certificate', async t => {
  const { handshake, taken } = await tls(t)
  await handshake()
  await until('it is in', () => taken.length === 1)
  const socket = taken[0]?.socket as TLSSocket
  t.same(socket.getPeerCertificate(), {})
})

t.test('clients that show a certificate', async t => {
  const { key, chain } = await makeCredential()
  const own = { key: Buffer.from(key.export({ type: 'pkcs8', format: 'pem' })), cert: chainPem(chain) }
  const client = { text: 'id="a"', until: start + hour }
  const guest = { chain, identity: client } as const

  async function judged(t: Test, admit: () => Promise<Admission>) {
    const clock = new FakeClock()
    const asked: boolean[] = []
    const judge: ClientJudge = {
      generation: () => 0,
      again: async () => 'refused',
      admit(socket) {
        asked.push(socket.getPeerX509Certificate() !== undefined)
        return admit()
      },
    }
    return { clock, asked, ...(await tls(t, modern, true, { judge, clock })) }
  }

  t.test('are asked for it, and the engine gets to know what was found', async t => {
    for (const found of [guest, undefined]) {
      const { handshake, asked, taken } = await judged(t, async () => found)
      await handshake(own)
      await until('it is in', () => taken.length === 1)
      t.same(asked, [true])
      t.match(taken[0]?.peer, { secure: true, client: found?.identity })
    }
  })
  t.test('are not handed over before the verdict, and not at all where it is a refusal', async t => {
    let decide = (_: Admission): void => {}
    const { handshake, taken, asked } = await judged(
      t,
      () =>
        new Promise(resolve => {
          decide = resolve
        }),
    )
    const socket = await handshake(own)
    if (typeof socket === 'string') throw new Error(socket)
    socket.write('something')
    await until('it is asked', () => asked.length === 1)
    t.equal(taken.length, 0)
    decide('refused')
    await until('it is closed', () => socket.destroyed)
    t.equal(taken.length, 0)
  })
  t.test('are not waited for without end, and nobody when the verdict comes too late', async t => {
    let decide = (_: Admission): void => {}
    const { handshake, clock, asked, taken } = await judged(
      t,
      () =>
        new Promise(resolve => {
          decide = resolve
        }),
    )
    const socket = await handshake(own)
    if (typeof socket === 'string') throw new Error(socket)
    await until('it is asked', () => asked.length === 1)
    await clock.advance(10_000)
    await until('it is closed', () => socket.destroyed)
    decide(guest)
    await settle()
    t.equal(taken.length, 0)
  })
  t.test('are looked after as long as the port is open', async t => {
    const { handshake, clock, taken, listener } = await judged(t, async () => guest)
    const socket = await handshake(own)
    if (typeof socket === 'string') throw new Error(socket)
    await until('it is in', () => taken.length === 1)
    t.ok(clock.pending > 0)
    socket.destroy()
    await new Promise(resolve => listener.server.close(resolve))
    await settle()
    t.equal(clock.pending, 0)
  })
})
