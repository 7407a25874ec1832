import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import t, { type Test } from 'tap'
import { demoFunction } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { ask, burst, probe, Visitor } from '../../src/demo/visitor.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { freePort, listen } from '../support/sockets.ts'

async function tlsServer(t: Test, answer: RequestListener) {
  const server = withKeyPem(await demoCredential(demoFunction()), pem => createTlsServer(pem, answer))
  let connections = 0
  server.on('secureConnection', () => connections++)
  return { port: await listen(t, server), connections: () => connections }
}

t.test('one request, plain or over TLS', async t => {
  const { port } = await tlsServer(t, (message, response) => response.end(`tls ${message.url}`))
  t.same(await ask(port, '/a'), { status: 200, body: 'tls /a' })
  const plain = await listen(
    t,
    createServer((message, response) => response.writeHead(421).end(`plain ${message.url}`)),
  )
  t.same(await ask(plain, '/b', { plain: true }), { status: 421, body: 'plain /b' })
})

t.test("the kubelet's question", async t => {
  const port = await listen(
    t,
    createServer(({ headers }, response) => response.end(`${headers['user-agent']} ${headers['k-network-probe']}`)),
  )
  t.same(await probe(port), { status: 200, body: 'kube-probe/1.34 queue' })
})

t.test('no answer is 0', async t => {
  t.same(await ask(await freePort(), '/'), { status: 0, body: '' })
  t.same(await probe(await freePort()), { status: 0, body: '' })
  const port = await listen(
    t,
    createServer((_message, response) => {
      response.writeHead(200, { 'Content-Length': '10' })
      response.write('half')
      setImmediate(() => response.destroy())
    }),
  )
  t.same(await ask(port, '/', { plain: true }), { status: 0, body: '' })
})

t.test('a burst is counted by status', async t => {
  let n = 0
  const { port } = await tlsServer(t, (_message, response) => response.writeHead(n++ < 2 ? 200 : 503).end())
  const came: number[] = []
  t.same([...(await burst(port, '/', 5, status => came.push(status)))].sort(), [
    [200, 2],
    [503, 3],
  ])
  t.same(came.sort(), [200, 200, 503, 503, 503])
  t.same([...(await burst(port, '/', 1))], [[503, 1]])
})

t.test('a visitor keeps one connection', async t => {
  const { port, connections } = await tlsServer(t, (_message, response) => response.end('hi'))
  const visitor = new Visitor(port)
  t.same(await visitor.many('/', 5), [200, 200, 200, 200, 200])
  t.equal(connections(), 1)
  visitor.close()
})
