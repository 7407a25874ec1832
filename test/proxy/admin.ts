import type { Server } from 'node:http'
import t, { type Test } from 'tap'
import { decodeStat } from '../../src/demo/autoscaler.ts'
import { Drain } from '../../src/gate/drain.ts'
import { newLife } from '../../src/gate/life.ts'
import { Stats, windowMs } from '../../src/gate/stats.ts'
import { autoscalerServer, drainServer, metricsServer } from '../../src/proxy/admin.ts'
import { FakeClock } from '../support/clock.ts'
import { memoryLog } from '../support/log.ts'
import { until } from '../support/process.ts'
import { exchange, listen } from '../support/sockets.ts'

/** Status line, head and body of one request on a connection of its own. */
async function say(port: number, method: string, path: string, version = '1.1') {
  const text = await exchange(port, `${method} ${path} HTTP/${version}\r\nHost: pod\r\nConnection: close\r\n\r\n`)
  const [head = '', body = ''] = text.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), head, body }
}

async function hooks(t: Test) {
  const clock = new FakeClock()
  const life = newLife()
  life.to('serving')
  const drain = new Drain(life, clock)
  const { log, lines } = memoryLog()
  let misused = 0
  const server = drainServer(drain, { misusedHook: () => misused++ }, log)
  return { clock, life, drain, lines, misused: () => misused, port: await listen(t, server) }
}

t.test('/wait-for-drain answers when the drain is over, whatever the method', async t => {
  const { clock, drain, lines, port } = await hooks(t)
  const answers = ['GET', 'POST', 'PUT'].map(method => say(port, method, '/wait-for-drain?x=1'))
  const head = say(port, 'HEAD', '/wait-for-drain')
  await until('four wait', () => drain.waiters === 4)
  drain.term()
  clock.advance(30_000)
  for (const answer of await Promise.all([...answers, head])) {
    t.match(answer, { status: 200, body: '', head: /Content-Length: 0/ })
  }
  t.match(await say(port, 'GET', '/wait-for-drain'), { status: 200 }, 'and at once from then on')
  t.same(new Set(lines.map(({ message }) => message)), new Set(['Attached drain handler from user-container']))
  t.same(lines[0]?.fields, {}, 'nothing of the request is logged')
})

t.test('anything else on the drain port is not found, and drains nothing', async t => {
  const { life, lines, port } = await hooks(t)
  for (const path of ['/', '/wait-for-drain/', '//wait-for-drain', '/metrics', '/healthz', '/quitquitquit']) {
    t.match(await say(port, 'GET', path), { status: 404, body: '404 page not found\n' }, path)
  }
  t.equal(life.state, 'serving')
  t.equal(lines.length, 0)
})

t.test('more hooks than may wait are turned away and counted', async t => {
  const { clock, drain, misused, port } = await hooks(t)
  const waiting = Array.from({ length: 16 }, () => say(port, 'GET', '/wait-for-drain'))
  await until('sixteen wait', () => drain.waiters === 16)
  t.match(await say(port, 'GET', '/wait-for-drain'), { status: 429, body: 'too many drain hooks wait already\n' })
  t.equal(misused(), 1)
  clock.advance(1_000)
  for (const answer of await Promise.all(waiting)) t.equal(answer.status, 200)
  t.equal(misused(), 1)
})

t.test('the autoscaler gets the last finished window', async t => {
  const clock = new FakeClock()
  const stats = new Stats(clock)
  const port = await listen(t, autoscalerServer('a-pod', stats))
  const scrape = async (method = 'GET', path = '/metrics') => {
    const answer = await say(port, method, path)
    return { ...answer, stat: decodeStat(Buffer.from(answer.body, 'latin1')) }
  }
  t.match(await scrape(), { status: 200, stat: { pod: 'a-pod', concurrency: 0, uptimeSeconds: 0 } })
  stats.in(false)
  clock.advance(windowMs)
  stats.tick()
  const after = await scrape()
  t.match(after, { stat: { pod: 'a-pod', concurrency: 1, requestsPerSecond: 1, uptimeSeconds: 1 } })
  t.match(after.head, 'Content-Type: application/protobuf')
  t.match(await scrape('HEAD'), { status: 200, body: '' })
  t.match(await scrape('POST'), { status: 200 }, 'any method, as in the Go proxy')
  t.match(await scrape('GET', '/'), { status: 404 })
})

t.test('Prometheus may GET and HEAD', async t => {
  const metrics = { text: async () => 'up 1\n', contentType: 'text/plain; version=0.0.4' }
  const server: Server = metricsServer(metrics)
  const port = await listen(t, server)
  t.match(await say(port, 'GET', '/metrics'), { status: 200, body: 'up 1\n', head: /text\/plain; version=0\.0\.4/ })
  t.match(await say(port, 'HEAD', '/metrics'), { status: 200, body: '' })
  for (const method of ['POST', 'DELETE', 'OPTIONS']) {
    t.match(await say(port, method, '/metrics'), {
      status: 405,
      head: /Allow: GET, HEAD/,
      body: 'Method Not Allowed\n',
    })
  }
  t.match(await say(port, 'GET', '/metric'), { status: 404 })
})
