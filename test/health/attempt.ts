import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import t from 'tap'
import { makeDialer } from '../../src/engine/dial.ts'
import { type AttemptMeans, attempt } from '../../src/health/attempt.ts'
import type { Check } from '../../src/health/checks.ts'
import { FakeClock } from '../support/clock.ts'
import { freePort, listen } from '../support/sockets.ts'

function means(http2AutoDetection = false): AttemptMeans & { readonly clock: FakeClock } {
  const clock = new FakeClock()
  return {
    clock,
    verified: false,
    http2AutoDetection,
    dial: (host, port) => makeDialer({ host, port, clock, judge: undefined, refused() {} }).dial,
  }
}

const tcp = (port: number, host = '127.0.0.1'): Check => ({ kind: 'tcp', host, port })
const http = (port: number): Check => ({ kind: 'http', scheme: 'http', host: '127.0.0.1', port, path: '', headers: [] })

t.test('what cannot be asked says so', async t => {
  t.equal(await attempt({ kind: 'none' }, 1000, means()), 'no probe found')
  t.equal(await attempt({ kind: 'exec' }, 1000, means()), 'exec probe not supported')
})

t.test('tcp: a connection is enough', async t => {
  const port = await listen(t, createServer())
  t.equal(await attempt(tcp(port), 1000, means()), undefined)
  t.equal(await attempt(tcp(port), 0, means()), undefined, 'a time of 0 is none')
})

t.test('tcp: nobody listens', async t => {
  const port = await freePort()
  t.equal(await attempt(tcp(port), 1000, means()), `dial tcp 127.0.0.1:${port}: connect: connection refused`)
})

t.test('tcp: nobody answers', async t => {
  const way = { ...means(), dial: () => () => () => {} }
  const asked = attempt(tcp(1, '::1'), 1000, way)
  way.clock.advance(1000)
  t.equal(await asked, 'dial tcp [::1]:1: i/o timeout')
})

t.test('http: HTTP/2 is looked for only where that was said', async t => {
  const port = await listen(
    t,
    createHttp2Server((_request, response) => response.end()),
  )
  t.match(await attempt(http(port), 1000, means(false)), /^Get "/)
  t.equal(await attempt(http(port), 1000, means(true)), undefined)
})

t.test('grpc: a container that speaks something else', async t => {
  const port = await listen(t, createServer())
  t.match(await attempt({ kind: 'grpc', port, service: '' }, 1000, means()), /^health rpc probe failed: /)
})

t.test('who throws has failed', async t => {
  const way = {
    ...means(),
    get dial(): AttemptMeans['dial'] {
      throw new RangeError('bug')
    },
  }
  t.equal(await attempt(tcp(1), 1000, way), 'RangeError')
})
