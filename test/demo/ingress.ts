import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import { connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { demoFunction } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { startIngress } from '../../src/demo/ingress.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { ask, until } from '../support/process.ts'
import { startContainer, websocketHead } from '../support/process-inside.ts'
import { exchange, freePort } from '../support/sockets.ts'

async function setUp(t: Test) {
  const credential = await demoCredential(demoFunction())
  const [port, target] = [await freePort(), await freePort()]
  const ingress = await startIngress(port, target, credential)
  t.teardown(() => {
    ingress.close()
    ingress.closeAllConnections()
  })
  return { port, target, credential, ingress }
}

t.test('requests go through, with the fields that gateways add', async t => {
  const { port, target, credential } = await setUp(t)
  const container = await startContainer(t, target, credential)
  t.match(await ask(port, { tls: true, path: '/a?b', method: 'POST', body: 'x' }), { status: 200, body: 'hello' })
  t.match(container.received[0], {
    method: 'POST',
    url: '/a?b',
    body: 'x',
    headers: { 'x-forwarded-proto': 'https', 'x-forwarded-for': /127\.0\.0\.1$/ },
  })
})

t.test('websockets go through', async t => {
  const { port, target, credential } = await setUp(t)
  await startContainer(t, target, credential)
  const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  t.teardown(() => socket.destroy())
  let text = ''
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part
  })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  socket.write(websocketHead)
  await until('the tunnel', () => / 101 /.test(text) && text.includes('\r\n\r\n'))
  socket.write('ping')
  await until('an echo', () => text.endsWith('ping'))
})

t.test('a proxy that is not there is a 502', async t => {
  const { port } = await setUp(t)
  t.match(await ask(port, { tls: true }), { status: 502, body: 'the toy ingress could not reach the proxy\n' })
})

t.test('a proxy that breaks off ends the visitor too', async t => {
  const { port, target, credential } = await setUp(t)
  const server = withKeyPem(credential, pem =>
    createTlsServer(pem, (_message, response) => {
      response.writeHead(200, { 'Content-Length': '10' })
      response.write('half')
      setImmediate(() => response.destroy())
    }),
  ).listen(target, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await t.rejects(ask(port, { tls: true }))
})

t.test('what is no TLS is no trouble, and a taken port is one', async t => {
  const { port, credential } = await setUp(t)
  await exchange(port, 'nonsense\r\n\r\n').catch(() => '')
  t.match(await ask(port, { tls: true }), { status: 502 })
  await t.rejects(startIngress(port, 1, credential), { code: 'EADDRINUSE' })
})
