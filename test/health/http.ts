import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer as createNetServer } from 'node:net'
import t, { type Test } from 'tap'
import { makeDialer } from '../../src/engine/dial.ts'
import type { Check } from '../../src/health/checks.ts'
import { probeEither, probeHttp } from '../../src/health/http.ts'
import type { Means } from '../../src/health/reach.ts'
import { FakeClock } from '../support/clock.ts'
import { freePort, listen } from '../support/sockets.ts'

type HttpCheck = Extract<Check, { kind: 'http' }>

function means(verified = false): Means & { readonly clock: FakeClock } {
  const clock = new FakeClock()
  const dial: Means['dial'] = (host, port) => makeDialer({ host, port, clock, judge: undefined, refused() {} }).dial
  return { clock, dial, verified }
}

const declared = (port: number, headers: HttpCheck['headers'] = [], host = '127.0.0.1'): HttpCheck => ({
  kind: 'http',
  scheme: 'http',
  host,
  port,
  path: 'healthz',
  headers,
})

async function container(t: Test, answer: RequestListener) {
  const seen: string[] = []
  const fields: NodeJS.Dict<string | string[]>[] = []
  const server = createServer((request, response) => {
    seen.push(request.url ?? '')
    fields.push(request.headers)
    answer(request, response)
  })
  return { port: await listen(t, server), seen, fields }
}

const served = (status: number, headers: Record<string, string> = {}): RequestListener => {
  return (_request, response) => {
    response.writeHead(status, headers).end('body')
  }
}

/** Sends to /1, /2, … and ends after `count` redirects. */
const chain =
  (count: number): RequestListener =>
  (request, response) => {
    const at = Number(request.url?.slice(1)) || 0
    if (at < count) response.writeHead(302, { Location: `/${at + 1}` })
    response.end()
  }

const statuses: [status: number, ready: boolean][] = [
  [200, true],
  [204, true],
  [301, true],
  [399, true],
  [400, false],
  [404, false],
  [500, false],
  [503, false],
]
for (const [status, ready] of statuses) {
  t.test(`status ${status} is ${ready ? '' : 'not '}ready`, async t => {
    const { port } = await container(t, served(status))
    const problem = await probeHttp(declared(port), 1000, means())
    t.equal(problem, ready ? undefined : `HTTP probe did not respond Ready, got status code: ${status}`)
  })
}

t.test('nobody listens', async t => {
  const port = await freePort()
  const text = `Get "http://127.0.0.1:${port}/healthz": dial tcp 127.0.0.1:${port}: connect: connection refused`
  t.equal(await probeHttp(declared(port), 1000, means()), text)
})

t.test('a time of 0 is none', async t => {
  const { port } = await container(t, served(200))
  t.equal(await probeHttp(declared(port), 0, means()), undefined)
})

t.test('a redirect is followed to where it leads', async t => {
  const away = await container(t, served(500))
  const { port } = await container(t, served(308, { Location: `http://127.0.0.1:${away.port}/x?y` }))
  t.equal(await probeHttp(declared(port), 1000, means()), 'HTTP probe did not respond Ready, got status code: 500')
  t.same(away.seen, ['/x?y'])
  t.match(away.fields, [{ referer: `http://127.0.0.1:${port}/healthz`, 'user-agent': 'kube-probe//' }])
})

t.test('a redirect without Location is ready', async t => {
  const { port, seen } = await container(t, served(302))
  t.equal(await probeHttp(declared(port), 1000, means()), undefined)
  t.equal(seen.length, 1)
})

t.test('ten requests are sent, not eleven', async t => {
  const enough = await container(t, chain(9))
  t.equal(await probeHttp(declared(enough.port), 1000, means()), undefined)
  t.equal(enough.seen.length, 10)
  const { port, seen } = await container(t, chain(10))
  t.equal(await probeHttp(declared(port), 1000, means()), 'Get "/10": stopped after 10 redirects')
  t.equal(seen.length, 10)
})

const nowhere: [location: string, text: RegExp][] = [
  ['ftp://a/b', /^Get "ftp:\/\/a\/b": unsupported protocol scheme "ftp"$/],
  ['http://a b/', /^Get "http:\/\/127\.0\.0\.1:\d+\/healthz": failed to parse Location header "http:\/\/a b\/"$/],
]
for (const [location, text] of nowhere) {
  t.test(`a redirect to ${location} fails`, async t => {
    const { port } = await container(t, served(302, { Location: location }))
    t.match(await probeHttp(declared(port), 1000, means()), text)
  })
}

t.test('declared secrets do not go to another host, nor come back from there', async t => {
  const { port, fields } = await container(t, (request, response) => {
    const hops: Record<string, string> = {
      '/healthz': `http://localhost:${port}/2`,
      '/2': `http://127.0.0.1:${port}/3`,
    }
    response.writeHead(302, { Location: hops[request.url ?? ''] ?? '' }).end()
  })
  const headers = [
    ['Authorization', 'secret'],
    ['X-A', 'b'],
  ] as const
  t.equal(await probeHttp(declared(port, headers), 1000, means()), undefined)
  t.same(
    fields.map(each => [each['authorization'], each['x-a']]),
    [
      ['secret', 'b'],
      [undefined, 'b'],
      [undefined, 'b'],
    ],
  )
})

t.test('redirects share the time of their probe', async t => {
  let arrive: () => void = () => {}
  const arrived = new Promise<void>(resolve => {
    arrive = resolve
  })
  const way = means()
  const { port } = await container(t, (request, response) => {
    if (request.url === '/2') return arrive()
    way.clock.advance(600)
    response.writeHead(302, { Location: '/2' }).end()
  })
  const asked = probeHttp(declared(port), 1000, way)
  await arrived
  way.clock.advance(400)
  t.match(await asked, new RegExp(`^Get "http://127.0.0.1:${port}/2": context deadline exceeded`))
})

t.test('behind a verified dialer a redirect is an answer like any other', async t => {
  const away = await container(t, served(200))
  const { port, seen } = await container(t, served(302, { Location: `http://127.0.0.1:${away.port}/` }))
  t.equal(await probeHttp(declared(port), 1000, means(true)), undefined)
  t.equal(seen.length, 1)
  t.equal(away.seen.length, 0)
})

const custom = [['X-Custom', 'y']] as const

t.test('HTTP/2 is tried first, bare, and then asked in full', async t => {
  const seen: [version: string, custom: unknown][] = []
  const server = createHttp2Server((request, response) => {
    seen.push([request.httpVersion, request.headers['x-custom']])
    response.end()
  })
  const check = declared(await listen(t, server), custom)
  const round = [
    ['2.0', undefined],
    ['2.0', 'y'],
  ]
  t.equal(await probeEither(check, 1000, means()), undefined)
  t.same(seen, round)
  t.equal(await probeEither(check, 1000, means()), undefined)
  t.same(seen, [...round, ...round], 'and found out anew each time')
})

t.test('the full request over HTTP/2 decides', async t => {
  const server = createHttp2Server((request, response) => {
    response.writeHead(request.headers['x-custom'] ? 500 : 200).end()
  })
  const problem = await probeEither(declared(await listen(t, server), custom), 1000, means())
  t.equal(problem, 'HTTP probe did not respond Ready, got status code: 500')
})

t.test('where HTTP/2 is not spoken, HTTP/1.1 decides without what was declared', async t => {
  const { port, fields } = await container(t, served(200))
  t.equal(await probeEither(declared(port, custom), 1000, means()), undefined)
  t.equal(fields.length, 1)
  t.notOk(fields[0]?.['x-custom'])
})

t.test('a container that is ready by neither', async t => {
  const bad = await container(t, served(500))
  const prefix = 'failed to run HTTP protocol probe with error: '
  t.equal(
    await probeEither(declared(bad.port), 1000, means()),
    `${prefix}HTTP probe did not respond Ready, got status code: 500`,
  )
  const port = await freePort()
  t.equal(
    await probeEither(declared(port), 1000, means()),
    `${prefix}Get "http://127.0.0.1:${port}/healthz": dial tcp 127.0.0.1:${port}: connect: connection refused`,
  )
})

t.test('each request of a detection has its own time', async t => {
  const way = means()
  let connections = 0
  const silent = createNetServer(socket => {
    socket.resume()
    socket.once('data', () => {
      connections++
      setTimeout(() => way.clock.advance(1000), 20)
    })
  })
  const problem = await probeEither(declared(await listen(t, silent)), 1000, way)
  t.match(problem, /^failed to run HTTP protocol probe with error: Get .*context deadline exceeded/)
  t.equal(connections, 2)
})
