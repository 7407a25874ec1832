// Conformance: each way into an engine asks the same gate. A real one stands here, on a port without TLS.

import type { Test } from 'tap'
import { get, makeStand, ok, type Subject } from './engine.ts'
import { makeRig } from './gate.ts'

const requests: [name: string, fields: string][] = [
  ['a request', ''],
  ['an Upgrade', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n'],
  ['an Upgrade that is not allowed', 'Connection: Upgrade\r\nUpgrade: h2c\r\n'],
  ['Expect: 100-continue', 'Expect: 100-continue\r\n'],
  ['any other Expect', 'Expect: x\r\n'],
]

const bodies: [name: string, fields: string, body: string][] = [
  ['without a body', '', ''],
  ['with a body', 'Content-Length: 5\r\n', 'hello'],
  ['with chunks', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'],
]

const probe = 'User-Agent: kube-probe/1.34\r\nK-Network-Probe: queue\r\n'

/** Every request above, each as traffic and with the fields of a probe; and CONNECT. */
function* doors(): Generator<[name: string, text: string]> {
  for (const [request, fields] of requests) {
    for (const [body, framing, text] of bodies) {
      yield [`${request} ${body}`, get('/', fields + framing) + text]
      if (fields + framing !== '')
        yield [`${request} ${body}, dressed as a probe`, get('/', probe + fields + framing) + text]
    }
  }
  for (const [dress, fields] of [
    ['', ''],
    [', dressed as a probe', probe],
  ] as const) {
    yield [`CONNECT${dress}`, `CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n${fields}\r\n`]
  }
  yield ["what the kubelet's fields alone would let pass", get('/', 'K-Kubelet-Probe: x\r\n')]
  yield ['OPTIONS *', get('*').replace('GET', 'OPTIONS')]
}

export function entries(t: Test, subject: Subject): void {
  for (const [name, text] of doors()) {
    t.test(`${name} is refused on a port for probes, unread and uncounted`, async t => {
      const { gate, stats, limiter, summaries } = makeRig({ plaintext: 'probes-only' })
      const { backend, client } = await makeStand(t, subject, { gate, secure: false })
      const wire = (await client()).send(text)
      const { line, field } = await wire.message()
      t.match([line, field('connection')], ['HTTP/1.1 421 Misdirected Request', 'close'])
      await wire.gone()
      stats.tick()
      t.match([stats.concurrency, stats.latest?.requests ?? 0, limiter.inFlight, backend.wires.length], [0, 0, 0, 0])
      t.match(summaries, [{ status: 421, counted: false, admitted: false, bytesReceived: 0 }])
    })

    t.test(`${name} enters the same gate once where plaintext serves`, async t => {
      const { gate, summaries, limiter } = makeRig({ plaintext: 'serve' })
      const { backend, client } = await makeStand(t, subject, { gate, secure: false })
      const wire = (await client()).send(text)
      const served = async (): Promise<void> => {
        const container = await backend.next()
        await container.message()
        container.send(ok('served'))
      }
      // Some are answered without the container: then nobody asks for its next connection.
      served().catch(() => {})
      let answer = await wire.message()
      if (answer.line.includes(' 100 ')) answer = await wire.message()
      t.match(answer.line, /^HTTP\/1\.1 (?:200|400|417|502|503) /)
      wire.end()
      await wire.gone()
      t.match([summaries.length, limiter.inFlight], [1, 0])
    })
  }

  t.test('a bare probe is answered on a port for probes', async t => {
    const { gate } = makeRig({ plaintext: 'probes-only' })
    const { backend, client } = await makeStand(t, subject, { gate, secure: false })
    const wire = (await client()).send(get('/', probe))
    t.match(await wire.message(), { line: 'HTTP/1.1 200 OK', body: 'queue' })
    t.equal(backend.wires.length, 0)
  })
}
