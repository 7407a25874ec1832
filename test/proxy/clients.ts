import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { type ConnectionOptions, connect } from 'node:tls'
import t, { type Test } from 'tap'
import { demo } from '../../src/config/policies.ts'
import { demoFunction, demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { makeBytesEngine } from '../../src/engine/bytes.ts'
import { makeUndiciEngine } from '../../src/engine/undici.ts'
import { type Credential, chainPem, toCredential, withKeyPem } from '../../src/identity/credential.ts'
import { type Fields, generateKey, issue } from '../../src/identity/x509.ts'
import { clientJudge, identityText } from '../../src/proxy/clients.ts'
import { type Container, startContainer } from '../support/engine-containers.ts'
import { type Role, startRole } from '../support/engine-role.ts'
import { ask as askStream } from '../support/http2.ts'
import { FakeClock, makeIntermediate, makeRoot, type TestAuthority } from '../support/identity.ts'
import { until } from '../support/process.ts'

const hour = 3_600_000
const now = Date.now()
const life = { notBefore: now - hour, notAfter: now + hour }
const activator = 'spiffe://c1.example.org/ns/knative-serving/svc/activator'
const root = await makeRoot('clients', life)
const middle = await makeIntermediate(root, 'clients below', life)

async function certified(issuer: TestAuthority, fields: Partial<Fields> = {}): Promise<Credential> {
  const key = generateKey()
  const leaf = await issue({
    ...life,
    subject: { commonName: 'client' },
    uris: [activator],
    issuer,
    publicKey: key.publicKey,
    ...fields,
  })
  const chain = issuer === middle ? ([leaf, middle.certificate] as const) : ([leaf] as const)
  return toCredential(chain, key.privateKey, 'file')
}

/** The demo's policy, whose container is one of synthetic evidence, with clients of our own choice. */
function policy(clients: object, upstream: object): string {
  const base = JSON.parse(demo)
  const inbound = { clients, identityHeader: 'postern-peer' }
  return JSON.stringify({ ...base, inbound, upstream: { ...base.upstream, ...upstream } })
}

async function open(t: Test, clients: object, makeEngine = makeBytesEngine, upstream: object = {}) {
  const role = await startRole(t, policy(clients, upstream), true, makeEngine)
  const container = await startContainer(role.userPort, await demoCredential(demoFunction()))
  t.teardown(() => container.close())
  return { role, container }
}

/** Sends at once, before anybody can have judged anything; resolves to what comes until the end or an answer. */
async function send(role: Role, credential: Credential | undefined, request: string): Promise<string> {
  const options: ConnectionOptions = { port: role.tlsPort, host: '127.0.0.1', rejectUnauthorized: false }
  const socket = credential ? withKeyPem(credential, pem => connect({ ...options, ...pem })) : connect(options)
  let text = ''
  let over = false
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    over = true
  })
  socket.write(request)
  await until('an answer or an end', () => over || /\r\n\r\n(?:hello|.*\n)$/s.test(text))
  socket.destroy()
  return text
}

let asked = 0
/** A request that can be told from all others. */
const get = (fields = ''): string => `GET /${++asked}- HTTP/1.1\r\nHost: a\r\n${fields}\r\n`

/** Lines of the request asked last, as the container heard it, that say anything about a peer. */
function told(container: Container): string[] {
  const heard = container.heard.find(text => text.includes(`GET /${asked}- `)) ?? ''
  const [, own = ''] = heard.split(`GET /${asked}- `)
  return own.split('\r\n').filter(line => /^[^:]*peer/i.test(line))
}

const reached = (container: Container): boolean => container.heard.some(text => text.includes(`GET /${asked}- `))

t.test('by name', async t => {
  const allow = [{ spiffeId: activator }, { san: 'dns:gateway.example.org' }]
  const { role, container } = await open(t, { mode: 'required', bundle: chainPem([root.certificate]), allow })
  const good: [name: string, credential: Credential, text: string][] = [
    ['a SPIFFE ID', await certified(root), `id="${activator}", by=ca`],
    ['below an intermediate', await certified(middle), `id="${activator}", by=ca`],
    [
      'a DNS name',
      await certified(root, { uris: [], dnsNames: ['gateway.example.org'] }),
      'san="dns:gateway.example.org", by=ca',
    ],
  ]
  for (const [name, credential, text] of good) {
    t.test(`accepted: ${name}`, async t => {
      t.match(await send(role, credential, get()), /^HTTP\/1\.1 200 /)
      t.same(told(container), [`postern-peer: ${text}`])
    })
  }
  const bad: [name: string, credential: Credential | undefined, rule: string][] = [
    ['nothing at all', undefined, 'certificate'],
    ["another CA's", await certified(await makeRoot('another', life)), 'chain'],
    ['another name', await certified(root, { uris: [`${activator}-2`] }), 'san'],
    ['two SPIFFE IDs', await certified(root, { uris: [activator, `${activator}-2`] }), 'san'],
    ['one that is over', await certified(root, { notBefore: now - 2 * hour, notAfter: now - hour }), 'not-after'],
    ['one for servers', await certified(root, { usages: ['serverAuth'] }), 'usage'],
  ]
  for (const [name, credential, rule] of bad) {
    t.test(`refused: ${name}`, async t => {
      const line = `postern_clients_refused_total{rule="${rule}"}`
      const before = await role.metric(line)
      t.equal(await send(role, credential, get()), '')
      t.notOk(reached(container))
      t.equal(await role.metric(line), before + 1)
    })
  }
  await until('a line of the log', () => role.lines.some(line => line.includes('"code":"client-untrusted"')))
  t.match(await role.probe(), { status: 200 }, 'the kubelet needs none')
})

const engines = [
  ['bytes', makeBytesEngine],
  ['undici', makeUndiciEngine],
] as const
for (const [engine, makeEngine] of engines) {
  t.test(`${engine}: what the container is told is ours, whatever the client says of itself`, async t => {
    const clients = { mode: 'optional', bundle: chainPem([root.certificate]), allow: [{ spiffeId: activator }] }
    const { role, container } = await open(t, clients, makeEngine)
    const credential = await certified(root)
    const ours = `postern-peer: id="${activator}", by=ca`
    const spoofs: [name: string, lines: string][] = [
      ['its own', 'postern-peer: id="spiffe://evil/a"\r\n'],
      ['its own, twice and in other cases', 'Postern-Peer: a\r\nPOSTERN-PEER: b\r\n'],
      ['its own with an underscore', 'postern_peer: a\r\nPostern_Peer: b\r\n'],
      ['ours named hop-by-hop', 'Connection: postern-peer\r\n'],
      ['ours named hop-by-hop, with an underscore', 'Connection: postern_peer, close\r\nPostern_peer: a\r\n'],
    ]
    for (const [name, lines] of spoofs) {
      t.test(name, async t => {
        t.match(await send(role, credential, get(lines)), /^HTTP\/1\.1 200 /)
        t.same(told(container), [ours])
        t.match(await send(role, undefined, get(lines)), /^HTTP\/1\.1 200 /)
        t.same(told(container), [], 'and nobody is told of a client that showed nothing')
      })
    }
    t.test('behind a body', async t => {
      const head = get('Transfer-Encoding: chunked\r\nTrailer: postern-peer\r\n')
      const request = `${head}0\r\npostern_peer: a\r\nPostern-Peer: b\r\nX-Peer: c\r\n\r\n`
      t.match(await send(role, credential, request), /^HTTP\/1\.1 200 /)
      t.same(
        told(container).filter(line => !line.startsWith('X-Peer') && !line.startsWith('Trailer')),
        [ours],
      )
    })
    t.test('with an upgrade that is asked for', async t => {
      const upgrade =
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n'
      await send(role, credential, get(`${upgrade}Postern_peer: a\r\n`))
      t.same(told(container), [ours])
    })
    t.test('what is shown and not accepted is refused, although nothing need be shown', async t => {
      t.equal(await send(role, await certified(await makeRoot('another', life)), get()), '')
    })
  })
}

t.test('a client of HTTP/2 is judged, told of and ended as one of HTTP/1.1', async t => {
  const clients = { mode: 'required', bundle: chainPem([root.certificate]), allow: [{ spiffeId: activator }] }
  const { role, container } = await open(t, clients, makeBytesEngine, { protocol: 'auto' })
  const session = (credential: Credential): ClientHttp2Session => {
    const session = withKeyPem(credential, ({ key, cert }) =>
      connectHttp2(`https://127.0.0.1:${role.tlsPort}`, { rejectUnauthorized: false, key, cert }),
    )
    session.on('error', () => {})
    t.teardown(() => session.destroy())
    return session
  }
  const brief = await certified(root, { notAfter: Date.now() + 3_000 })
  const good = session(brief)
  const spoofs = { 'postern-peer': 'a', postern_peer: 'b' }
  t.match(await askStream(good, { ':path': `/${++asked}-`, ...spoofs }), { status: 200, body: 'hello' })
  t.same(told(container), [`postern-peer: id="${activator}", by=ca`])

  const bad = session(await certified(await makeRoot('another', life)))
  const { status } = await askStream(bad, { ':path': `/${++asked}-` })
  t.equal(status, 0)
  t.notOk(reached(container))

  await until('the end of the certificate', () => Date.now() > brief.notAfter)
  await until('a goodbye', () => good.closed || good.destroyed)
  t.match(await askStream(session(brief), { ':path': `/${++asked}-` }), { status: 0 })
  t.notOk(reached(container))
})

t.test('by evidence, alone or with a name', async t => {
  const { role, container } = await open(t, { mode: 'required', allow: [{ accept: 'app' }] })
  t.match(await send(role, await demoCredential(demoFunction()), get()), /^HTTP\/1\.1 200 /)
  t.match(told(container), [/^postern-peer: peers="app", by=evidence, policy=:[A-Za-z0-9+/]{43}=:$/])
  t.equal(await send(role, await demoCredential(demoStranger()), get()), '')
  t.equal(await send(role, await certified(root), get()), '', 'a certificate without evidence')

  t.test('both', async t => {
    const both = {
      mode: 'required',
      bundle: chainPem([root.certificate]),
      allow: [{ accept: 'app', spiffeId: activator }],
    }
    const { role } = await open(t, both)
    t.equal(await send(role, await demoCredential(demoFunction()), get()), '', 'evidence without the name')
    t.equal(await send(role, await certified(root), get()), '', 'the name without evidence')
  })
})

t.test('a connection serves no request that begins after what it was accepted by has ended', async t => {
  const clients = { mode: 'required', bundle: chainPem([root.certificate]), allow: [{ spiffeId: activator }] }
  const { role } = await open(t, clients)
  const connected = async (credential: Credential) => {
    const socket = withKeyPem(credential, pem =>
      connect({ port: role.tlsPort, host: '127.0.0.1', rejectUnauthorized: false, ...pem }),
    )
    t.teardown(() => socket.destroy())
    const heard = { socket, text: '' }
    socket.setEncoding('latin1').on('data', (part: string) => {
      heard.text += part
    })
    socket.write(get())
    await until('an answer', () => heard.text.endsWith('hello'))
    return heard
  }
  t.test('it is closed', async t => {
    const { socket } = await connected(await certified(root, { notAfter: Date.now() + 3_000 }))
    await once(socket, 'close')
    t.pass('before anything more is asked')
  })
  t.test('what is asked all the same, as the clock was put right meanwhile, is refused', async t => {
    const heard = await connected(await certified(root))
    role.jump(2 * hour)
    heard.text = ''
    heard.socket.write(get())
    await once(heard.socket, 'close')
    t.match(heard.text, /^HTTP\/1\.1 421 .*client-certificate-expired\n$/s)
  })
})

t.test('our own certificate, and a judge that breaks, accept nobody', async t => {
  const der = (await certified(root)).chain[0]
  const seen: string[] = []
  const make = (own: string[]) =>
    clientJudge({
      clients: { mode: 'required', bundle: [], allow: [{ spiffeId: undefined, san: undefined, accept: 'app' }] },
      clock: new FakeClock(),
      evidenceOf: () => () => {
        throw new TypeError('broken')
      },
      ownLeafSha256s: new Set(own),
      generation: () => 0,
      refused: reasons => seen.push(...reasons.map(({ rule }) => rule)),
    })
  const socket = (resumed: boolean, raw: Uint8Array) =>
    ({ isSessionReused: () => resumed, getPeerCertificate: () => ({ raw }) }) as unknown as Parameters<
      ReturnType<typeof make>['admit']
    >[0]
  const tooLong = { ...socket(false, der), getPeerCertificate: (detailed?: boolean) => (detailed ? {} : { raw: der }) }
  const unreadable = {
    ...socket(false, der),
    getPeerCertificate: () => {
      throw new TypeError('unreadable')
    },
  }
  const { createHash } = await import('node:crypto')
  const own = createHash('sha256').update(der).digest('hex')
  const judge = make([])
  t.equal(await make([own]).admit(socket(false, der)), 'refused')
  t.equal(await judge.admit(socket(false, der)), 'refused')
  t.equal(await judge.admit(socket(true, der)), 'refused')
  t.equal(await judge.admit(tooLong as ReturnType<typeof socket>), 'refused')
  t.equal(await judge.admit(unreadable as unknown as ReturnType<typeof socket>), 'refused')
  t.same(seen, ['own-certificate', 'internal', 'certificate', 'certificate', 'internal'])
})

t.test('the text is an RFC 9651 dictionary, whatever is in a name', async t => {
  const rule = { spiffeId: undefined, san: 'uri:urn:a"b\\c', accept: undefined }
  t.equal(identityText(rule, undefined), 'san="uri:urn:a\\"b\\\\c", by=ca')
  const policyDigest = new Uint8Array(32)
  const postern = { use: 'tls', role: 'workload', policyDigest, service: 'spiffe://a/b' } as const
  const evidence = { format: 'tagged', leafSha256: '', postern } as const
  t.equal(
    identityText({ ...rule, san: undefined, accept: 'app' }, evidence),
    `id="spiffe://a/b", peers="app", by=evidence, policy=:${'A'.repeat(43)}=:`,
  )
})
