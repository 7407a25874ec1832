import { createServer } from 'node:net'
import t from 'tap'
import { get } from '../../src/collateral/get.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { startService, type Trouble } from '../support/collateral-services.ts'
import { makeCredential } from '../support/identity.ts'
import { LabClock } from '../support/lab-clock.ts'

const small = Buffer.from('{"a":1}')
const service = await startService(() => ({ status: 200, headers: { 'X-Chain': 'a%20b' }, body: small }))
t.teardown(() => service.close())

function options(clock = new LabClock(0), signal = new AbortController().signal) {
  return { clock, deadlineMs: 5_000, maxBytes: 1_000_000, anyCertificate: false, signal }
}

t.test('an answer comes back as its status, its fields and its bytes', async t => {
  const got = await get(new URL(`${service.url}/a?b=c`), options())
  t.equal(got.status, 200)
  t.equal(got.header('x-chain'), 'a%20b')
  t.equal(got.header('x-none'), undefined)
  t.same(Buffer.from(got.body), small)
  t.equal(service.requests.at(-1), '/a?b=c')
})

t.test('another status has no body, and a redirect is a status like any other', async t => {
  for (const [trouble, status] of [
    [404, 404],
    [460, 460],
    ['redirect', 302],
  ] as const) {
    service.trouble = trouble
    const got = await get(new URL(service.url), options())
    t.same([got.status, got.body.length], [status, 0])
  }
})

const bad: [trouble: Trouble, message: RegExp | string][] = [
  ['down', 'ECONNRESET'],
  ['silent-close', 'ECONNRESET'],
  ['cut', 'ECONNRESET'],
  ['oversized', 'answers with more than 1000000 bytes'],
  ['encoded', 'answers in an encoding'],
]
for (const [trouble, message] of bad) {
  t.test(`${trouble}: no answer`, async t => {
    service.trouble = trouble
    await t.rejects(get(new URL(service.url), options()), { code: 'collateral-missing', message })
  })
}

for (const trouble of ['slow', 'drip'] as const) {
  t.test(`${trouble}: one deadline for all of it, however often a byte comes`, async t => {
    service.trouble = trouble
    const clock = new LabClock(0)
    const asked = get(new URL(service.url), options(clock))
    while (service.holding() === 0) await new Promise(resolve => setImmediate(resolve))
    clock.advance(4_999)
    clock.advance(1)
    await t.rejects(asked, { code: 'collateral-missing', message: 'no whole answer within 5000 ms' })
    while (service.holding() > 0) await new Promise(resolve => setImmediate(resolve))
    t.pass('and the connection is let go')
  })
}

t.test('whoever asked can give up', async t => {
  service.trouble = 'slow'
  const stop = new AbortController()
  const asked = get(new URL(service.url), options(undefined, stop.signal))
  stop.abort()
  await t.rejects(asked, { code: 'collateral-missing', message: 'ABORT_ERR' })
})

t.test('what does not speak HTTP, speaks too much of it, or switches to something else', async t => {
  const rows: [name: string, says: string, message: string][] = [
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', 'HPE_INVALID_CONSTANT'],
    ['endless fields', `HTTP/1.1 200 OK\r\n${`A: ${'b'.repeat(1000)}\r\n`.repeat(100)}`, 'HPE_HEADER_OVERFLOW'],
    ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n', 'an upgrade'],
  ]
  for (const [name, says, message] of rows) {
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.once('data', () => socket.write(says))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    await t.rejects(get(new URL(`http://127.0.0.1:${port}`), options()), { message: new RegExp(message) }, name)
    server.close()
  }
})

t.test('nobody listens', async t => {
  await t.rejects(get(new URL('http://127.0.0.1:1/'), options()), { message: 'ECONNREFUSED' })
})

t.test('https: under the CAs that Node carries, or, where any certificate will do, under any', async t => {
  const credential = await makeCredential({ notBefore: Date.now() - 1000, notAfter: Date.now() + 3_600_000 })
  const tls = withKeyPem(credential, ({ key, cert }) => ({ key: Buffer.from(key), cert }))
  const secure = await startService(() => ({ status: 200, headers: {}, body: small }), tls)
  t.teardown(() => secure.close())
  await t.rejects(get(new URL(secure.url), options()), { message: /SELF_SIGNED|UNABLE_TO_VERIFY/ })
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  await t.rejects(
    get(new URL(secure.url), options()),
    { message: /SELF_SIGNED|UNABLE_TO_VERIFY/ },
    'whatever the environment says',
  )
  delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  t.equal(secure.requests.length, 0)
  t.equal((await get(new URL(secure.url), { ...options(), anyCertificate: true })).status, 200)
})
