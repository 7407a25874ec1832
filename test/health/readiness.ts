import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, createServer as createNetServer, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Fault } from '../../src/base/errors.ts'
import type { Check, ReadinessCheck } from '../../src/health/checks.ts'
import { type Dial, makeReadiness } from '../../src/health/readiness.ts'
import { FakeClock } from '../support/clock.ts'
import { settled } from '../support/gate.ts'
import { freePort, listen } from '../support/sockets.ts'

type Outcome = Parameters<Parameters<Dial>[0]>[0]

/** A dialer without judgement over real sockets, which remembers what it was asked for. */
function plainDial() {
  const asked: string[] = []
  const sockets: Socket[] = []
  let givenUp = 0
  const dial =
    (host: string, port: number): Dial =>
    done => {
      asked.push(`${host}:${port}`)
      const socket = connect(port, host)
      sockets.push(socket)
      socket.once('connect', () => done({ socket }))
      socket.on('error', () => done(new Fault('upstream-refused', `dial tcp ${host}:${port}: connection refused`)))
      return () => {
        givenUp++
      }
    }
  return { asked, sockets, dial, givenUp: () => givenUp }
}

const declared = (check: Check, options: Partial<ReadinessCheck> = {}): ReadinessCheck => ({
  check,
  periodSeconds: 10,
  timeoutSeconds: 1,
  successThreshold: 1,
  ...options,
})

function make(checks: readonly ReadinessCheck[], dial: (host: string, port: number) => Dial = plainDial().dial) {
  const clock = new FakeClock()
  const failed: string[] = []
  const ask = makeReadiness({ checks, dial, clock, aggressiveTryMs: 100, failed: text => failed.push(text) })
  return { clock, failed, ask }
}

const http = (port: number, options: Partial<Extract<Check, { kind: 'http' }>> = {}): Check => ({
  kind: 'http',
  scheme: 'http',
  host: '127.0.0.1',
  port,
  path: 'healthz',
  headers: [],
  ...options,
})

/** A container that answers with `status`; remembers requests as target and raw header lines. */
async function container(t: Test, status = 200, headers: Record<string, string> = {}) {
  const seen: { target: string; fields: string[] }[] = []
  const server = createServer((request, response) => {
    seen.push({ target: `${request.method} ${request.url}`, fields: request.rawHeaders })
    response.writeHead(status, headers).end('body')
  })
  return { port: await listen(t, server), seen }
}

t.test('nothing declared is always ready', async t => {
  t.equal(await make([]).ask(), true)
})

const hopeless: [check: Check, text: string][] = [
  [{ kind: 'none' }, 'no probe found'],
  [{ kind: 'exec' }, 'exec probe not supported'],
  [{ kind: 'grpc', port: 1, service: '' }, 'grpc probe not supported by this version'],
]
for (const [check, text] of hopeless) {
  t.test(`a probe of kind ${check.kind} fails: ${text}`, async t => {
    const { ask, failed } = make([declared(check)])
    t.equal(await ask(), false)
    t.same(failed, [text])
  })
}

t.test('tcp: a connection is enough, and is closed at once', async t => {
  let closed: Promise<unknown> = Promise.resolve()
  const server = createNetServer(socket => {
    closed = once(socket.resume(), 'close')
  })
  const port = await listen(t, server)
  const { ask, failed, clock } = make([declared({ kind: 'tcp', host: '127.0.0.1', port })])
  t.equal(await ask(), true)
  await closed
  t.same(failed, [])
  t.equal(clock.pending, 0, 'its timer is gone')
})

t.test('tcp: nobody listens', async t => {
  const port = await freePort()
  const { ask, failed } = make([declared({ kind: 'tcp', host: '127.0.0.1', port })])
  t.equal(await ask(), false)
  t.same(failed, [`dial tcp 127.0.0.1:${port}: connection refused`])
})

t.test('a connection that does not come in time is given up', async t => {
  const { clock, ask, failed } = make([declared({ kind: 'tcp', host: 'h', port: 1 }, { timeoutSeconds: 2 })], () => {
    return () => () => {}
  })
  const answer = ask()
  clock.advance(1999)
  await settled()
  t.same(failed, [])
  clock.advance(1)
  t.equal(await answer, false)
  t.same(failed, ['dial h:1: i/o timeout'])
})

t.test('the dialer is told to give up', async t => {
  let gaveUp = 0
  const { clock, ask } = make([declared({ kind: 'tcp', host: 'h', port: 1 })], () => () => () => {
    gaveUp++
  })
  const answer = ask()
  clock.advance(1000)
  await answer
  t.equal(gaveUp, 1)
})

t.test('a timeout of 0 is none', async t => {
  const { clock, ask } = make([declared({ kind: 'tcp', host: 'h', port: 1 }, { timeoutSeconds: 0 })], () => done => {
    setImmediate(() => done(new Fault('upstream-refused', 'no')))
    return () => {}
  })
  const answer = ask()
  t.equal(clock.pending, 0)
  t.equal(await answer, false)
})

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
  t.test(`http: status ${status} is ${ready ? '' : 'not '}ready`, async t => {
    const { port } = await container(t, status)
    const { ask, failed } = make([declared(http(port))])
    t.equal(await ask(), ready)
    t.same(failed, ready ? [] : [`HTTP probe did not respond Ready, got status code: ${status}`])
  })
}

t.test('http: a redirect is not followed', async t => {
  const elsewhere = await container(t)
  const { port, seen } = await container(t, 302, { Location: `http://127.0.0.1:${elsewhere.port}/` })
  t.equal(await make([declared(http(port))]).ask(), true)
  t.equal(seen.length, 1)
  t.equal(elsewhere.seen.length, 0)
})

t.test('http: exactly these fields are sent', async t => {
  const { port, seen } = await container(t)
  const headers = [
    ['Host', 'h.example'],
    ['X-Custom', 'a'],
    ['user-agent', 'custom'],
    ['X-Custom', 'b'],
    ['HOST', 'i.example'],
  ] as const
  t.equal(await make([declared(http(port, { path: 'a/b?c=d', headers }))]).ask(), true)
  t.same(seen, [
    {
      target: 'GET /a/b?c=d',
      fields: [
        ...[
          'Host',
          `127.0.0.1:${port}`,
          'User-Agent',
          'kube-probe//',
          'Accept-Encoding',
          'gzip',
          'Connection',
          'close',
        ],
        ...['X-Custom', 'a', 'X-Custom', 'b'],
      ],
    },
  ])
})

t.test('http: each probe has a connection of its own, through the dialer', async t => {
  const { port, seen } = await container(t)
  const { dial, asked, sockets } = plainDial()
  const { ask } = make([declared(http(port))], dial)
  await ask()
  await ask()
  t.same(asked, [`127.0.0.1:${port}`, `127.0.0.1:${port}`])
  t.equal(seen.length, 2)
  t.ok(sockets.every(socket => socket.destroyed))
})

t.test('http: a container that does not answer in time', async t => {
  let asked: () => void = () => {}
  const arrived = new Promise<void>(resolve => {
    asked = resolve
  })
  const port = await listen(
    t,
    createServer(() => asked()),
  )
  const { ask, failed, clock } = make([declared(http(port))])
  const answer = ask()
  await arrived
  clock.advance(1000)
  t.equal(await answer, false)
  t.same(failed, [`dial 127.0.0.1:${port}: i/o timeout`])
})

const rude: [name: string, serve: (socket: Socket) => void, text: RegExp][] = [
  ['closes', socket => socket.end(), /^Get "http:\/\/127\.0\.0\.1:\d+\/healthz": ECONNRESET$/],
  ['speaks something else', socket => socket.end('hello\r\n\r\n'), /^Get ".*": HPE_INVALID_CONSTANT$/],
]
for (const [name, serve, text] of rude) {
  t.test(`http: a container that ${name} is not ready`, async t => {
    const port = await listen(
      t,
      createNetServer(socket => socket.once('data', () => serve(socket))),
    )
    const { ask, failed } = make([declared(http(port))])
    t.equal(await ask(), false)
    t.match(failed, [text])
  })
}

// The declaration comes from the environment: what cannot be sent fails the probe, never the process.
const unsendable: [name: string, options: Parameters<typeof http>[1], text: string][] = [
  ['a field name', { headers: [['a b', 'c']] }, 'ERR_INVALID_HTTP_TOKEN'],
  ['a field value', { headers: [['a', 'b\r\nc: d']] }, 'ERR_INVALID_CHAR'],
  ['a path', { path: 'a b' }, 'ERR_UNESCAPED_CHARACTERS'],
]
for (const [name, options, text] of unsendable) {
  t.test(`http: ${name} that cannot be sent is a failed probe`, async t => {
    const { port, seen } = await container(t)
    const { ask, failed } = make([declared(http(port, options))])
    t.equal(await ask(), false)
    t.equal(failed.length, 1)
    t.match(failed[0], text)
    t.same(seen, [])
  })
}

t.test('a dialer that throws is a failed probe', async t => {
  const { ask, failed } = make([declared({ kind: 'tcp', host: 'h', port: 1 })], () => {
    throw new Fault('credential-invalid', 'no certificate to show')
  })
  t.equal(await ask(), false)
  t.same(failed, ['dial h:1: credential-invalid: no certificate to show'])
})

/** A dialer whose outcomes are written down beforehand: up or down, then the last one for ever. */
function scripted(outcomes: string) {
  let tries = 0
  const dial = (): Dial => done => {
    const up = (outcomes[tries] ?? outcomes.at(-1)) === '+'
    tries++
    const outcome: Outcome = up ? { socket: new Socket() } : new Fault('upstream-refused', 'down')
    queueMicrotask(() => done(outcome))
    return () => {}
  }
  return { dial, tries: () => tries }
}

/** Moves the clock until the answer is there; returns it with the time that passed. */
async function within(clock: FakeClock, answer: Promise<boolean>): Promise<[ready: boolean, ms: number]> {
  const from = clock.monotonic()
  let over = false
  void answer.finally(() => {
    over = true
  })
  for (await settled(); !over; await settled()) clock.advance(50)
  return [await answer, clock.monotonic() - from]
}

const aggressive = (successThreshold = 1): ReadinessCheck =>
  declared({ kind: 'tcp', host: 'h', port: 1 }, { periodSeconds: 0, successThreshold })

const polls: [name: string, outcomes: string, threshold: number, ready: boolean, ms: number, tries: number][] = [
  ['up at once', '+', 1, true, 0, 1],
  ['up at the third try', '--+', 1, true, 100, 3],
  ['three successes in a row', '+', 3, true, 100, 3],
  ['a failure ends the row', '++-+', 3, true, 250, 6],
  ['never up', '-', 1, false, 9950, 200],
]
for (const [name, outcomes, threshold, ready, ms, tries] of polls) {
  t.test(`aggressive mode: ${name}`, async t => {
    const script = scripted(outcomes)
    const { clock, ask, failed } = make([aggressive(threshold)], script.dial)
    t.same(await within(clock, ask()), [ready, ms])
    t.equal(script.tries(), tries)
    t.same(failed, ready ? [] : ['aggressive probe error (failed 200 times): down\ncontext deadline exceeded'])
    t.equal(clock.pending, 0)
  })
}

t.test('aggressive mode: successes count across rounds, a failure forgets them', async t => {
  const script = scripted('+++-+')
  const { clock, ask } = make([aggressive(3)], script.dial)
  t.same(await within(clock, ask()), [true, 100])
  const again = within(clock, ask())
  t.same(await again, [true, 150], 'one failure, three successes')
  t.same(await within(clock, ask()), [true, 0])
  t.equal(script.tries(), 8)
})

t.test('aggressive mode: each try has its own time', async t => {
  let tries = 0
  const { clock, ask, failed } = make([aggressive()], () => () => {
    tries++
    return () => {}
  })
  const [ready] = await within(clock, ask())
  t.equal(ready, false)
  t.equal(tries, 67, 'a try of 100 ms every 150 ms')
  t.match(failed[0], /i\/o timeout\ncontext deadline exceeded$/)
})

t.test('aggressive mode: a row that is too short is not enough', async t => {
  const { clock, ask, failed } = make([aggressive(1000)], scripted('+').dial)
  t.equal((await within(clock, ask()))[0], false)
  t.same(failed, ['aggressive probe error (failed 0 times): too few successes\ncontext deadline exceeded'])
})

t.test('who asks while a round runs shares its answer; the next one asks anew', async t => {
  const { port, seen } = await container(t)
  const { ask } = make([declared(http(port))])
  const both = [ask(), ask()]
  t.same(await Promise.all(both), [true, true])
  t.equal(seen.length, 1)
  t.equal(await ask(), true)
  t.equal(seen.length, 2)
})

t.test('all declared probes must pass, and each failure is told', async t => {
  const up = await container(t)
  const down = await container(t, 500)
  const port = await freePort()
  const { ask, failed } = make([
    declared(http(up.port)),
    declared(http(down.port)),
    declared({ kind: 'tcp', host: '127.0.0.1', port }),
  ])
  t.equal(await ask(), false)
  t.same(failed, [
    'HTTP probe did not respond Ready, got status code: 500',
    `dial tcp 127.0.0.1:${port}: connection refused`,
  ])
})
