import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import { toHex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { demoFunction, demoProvision, demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { syntheticRoot } from '../../src/demo/tee.ts'
import { connectTo } from '../../src/function/issuer.ts'
import { evidenceJudge } from '../../src/function/judge.ts'
import { type Credential, withKeyPem } from '../../src/identity/credential.ts'
import { makeRule } from '../support/evidence.ts'
import { makeCredential } from '../support/identity.ts'

const enclaves = [{ mrenclave: toHex(demoProvision().mrenclave) }]
const anchor = { root: syntheticRoot, collateral: undefined }
const { judge } = evidenceJudge(makeRule({ role: 'provision', enclaves }), anchor, systemClock)
const never = new AbortController().signal

/** Somebody in the CA's place; what it hears after its handshake. */
async function standing(t: Test, credential: Credential) {
  const heard: string[] = []
  const server = withKeyPem(credential, pem => createTlsServer(pem))
  server.on('secureConnection', socket => {
    socket.on('error', () => {})
    socket.on('data', data => heard.push(data.toString()))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { at: { host: '127.0.0.1', port: (server.address() as AddressInfo).port }, heard }
}

t.test('the CA that was named is handed over, as it was judged', async t => {
  const { at, heard } = await standing(t, await demoCredential(demoProvision(), 'provision'))
  const socket = await connectTo(at, judge, never)
  t.equal(socket.getProtocol(), 'TLSv1.3')
  t.equal(socket.listenerCount('error'), 0, 'its errors belong to whoever has it')
  socket.write('a word')
  while (heard.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  socket.destroy()
})

t.test('whoever else stands there hears not a word', async t => {
  const rows: [name: string, rule: RegExp, credential: Credential][] = [
    ['another enclave', /mrenclave: /, await demoCredential(demoStranger(), 'provision')],
    ["the CA's code in another role", /role: /, await demoCredential(demoProvision(), 'workload')],
    ['a function', /mrenclave: .*role: /, await demoCredential(demoFunction())],
    ['no evidence', /evidence-missing: /, await makeCredential({ notAfter: Date.now() + 60_000 })],
  ]
  for (const [name, message, credential] of rows) {
    const { at, heard } = await standing(t, credential)
    await t.rejects(connectTo(at, judge, never), { code: 'issuer-untrusted', message }, name)
    t.same(heard, [], name)
  }
})

t.test('nobody there, nobody who speaks TLS, and nobody who waits any more', async t => {
  const nobody = { host: '127.0.0.1', port: 1 }
  await t.rejects(connectTo(nobody, judge, never), { code: 'issuer-unavailable', message: /127\.0\.0\.1:1: .*REFUSED/ })
  await t.rejects(connectTo(nobody, judge, AbortSignal.abort()), { code: 'issuer-unavailable', message: /given up/ })
  const silent = createServer(socket => socket.on('error', () => {}))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const stop = new AbortController()
  const waiting = connectTo({ host: '127.0.0.1', port: (silent.address() as AddressInfo).port }, judge, stop.signal)
  setImmediate(() => stop.abort())
  await t.rejects(waiting, { code: 'issuer-unavailable', message: /given up/ })
})
