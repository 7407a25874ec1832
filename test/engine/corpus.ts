// Published attacks on HTTP/1.1 between two readers, through each engine: what is refused reaches nobody, what passes is
// seen as it must be, and the request behind it gets its own answer.

import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { makeBytesEngine } from '../../src/engine/bytes.ts'
import type { MakeEngine } from '../../src/engine/engine.ts'
import { makeUndiciEngine } from '../../src/engine/undici.ts'
import { FakeClock } from '../support/clock.ts'
import { type Expectation, parse, readCorpus, type Vector, type Want } from '../support/corpus.ts'
import { Listener, type Outcome, playRequest, playResponse } from '../support/corpus-play.ts'
import { plainDialer, RecordingGate } from '../support/engine.ts'
import { type ReadHead, valuesOf } from '../support/http1-reader.ts'
import { listen } from '../support/sockets.ts'

/** Far longer than anything takes. */
const patienceMs = 10_000

const engines: readonly [name: string, make: MakeEngine][] = [
  ['bytes', makeBytesEngine],
  ['bytes over streams', (gate, options) => makeBytesEngine(gate, options, 'streams')],
  ['undici', makeUndiciEngine],
]

interface Stand {
  readonly port: number
  readonly container: Listener
  readonly gate: RecordingGate
}

async function stand(t: Test, make: MakeEngine): Promise<Stand> {
  const container = new Listener()
  const clock = new FakeClock()
  const gate = new RecordingGate()
  const engine = make(gate, {
    dialer: plainDialer(await container.listen(), clock),
    clock,
    authority: '127.0.0.1:8080',
    upgrades: token => token === 'websocket',
    strip: [],
    allowUnframed: false,
    maxIdleUpstream: 10,
    idleConnectionMs: 0,
  })
  const front = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    engine.accept(socket, { address: '192.0.2.7', secure: true })
  })
  t.teardown(async () => {
    engine.destroy()
    await container.close()
  })
  return { port: await listen(t, front), container, gate }
}

function matches(t: Test, what: string, head: ReadHead, want: Want, line: string): void {
  t.equal(line, want.line, `${what}: its first line`)
  for (const [name, value] of want.fields) t.same(valuesOf(head, name), [value], `${what}: ${name}`)
  for (const name of want.absent) t.same(valuesOf(head, name), [], `${what}: no ${name}`)
}

const requestLine = ({ first: [method, target, version] }: ReadHead): string => `${method} ${target} HTTP/${version}`

function judgeRequest(t: Test, vector: Vector, expect: Expectation, got: Outcome, gate: RecordingGate): void {
  const statuses = got.answers.map(({ head }) => Number(head.first[0]))
  const targets = got.seen.map(({ head }) => head.first[1])
  t.same(got.junk, [], 'all that reaches the container is requests')
  if (expect.kind === 'refused') {
    t.same([statuses, got.end, got.bytes], [[expect.status], 'closed', 0], 'refused, and nothing reaches the container')
    if (expect.status === 400 || expect.status === 505) t.equal(gate.visits.length, 0, 'before the gate')
  } else if (expect.kind === 'cut') {
    t.match([statuses.length, got.end], [1, 'closed'])
    t.ok([400, 502].includes(statuses[0] ?? 0), `refused with ${statuses}`)
    t.same(targets, [], 'and never complete at the container')
  } else if (expect.kind === 'waits') {
    t.same([statuses, targets], [[], []], 'more is waited for')
  } else if (expect.kind === 'forwarded') {
    const kept = expect.next === 'kept'
    const wants = expect.once ? 1 : Math.max(1, vector.wants.length)
    const then = typeof expect.next === 'number' ? [expect.next] : kept ? [200] : []
    t.equal(targets.length, wants + (kept ? 1 : 0), `the container got ${targets}`)
    t.same(statuses, [...Array(wants).fill(200), ...then])
    t.equal(got.end, kept ? 'harmless' : 'closed')
    t.equal(gate.visits.length, targets.length, 'each passed the gate')
    if (expect.loose) return
    for (const [at, want] of vector.wants.slice(0, wants).entries()) {
      const seen = got.seen[at]
      if (!seen) continue
      matches(t, `request ${at + 1}`, seen.head, want, requestLine(seen.head))
      if (want.body !== undefined) t.equal(seen.body, want.body)
      t.same(
        seen.trailers.map(([name, value]) => [name.toLowerCase(), value]),
        want.trailers,
      )
    }
  } else t.fail(`no expectation of a request: ${expect.kind}`)
}

function judgeResponse(t: Test, vector: Vector, expect: Expectation, got: Outcome): void {
  const [answer, next] = got.answers
  if (expect.kind === 'broken') {
    t.same([got.answers.length, got.end], [0, 'closed'], 'nothing whole')
  } else if (expect.kind === 'refused') {
    t.equal(answer?.head.first[0], String(expect.status))
  } else if (expect.kind === 'passed') {
    const [want] = vector.wants
    if (!want || expect.loose) return
    const { head, body, interims } = answer ?? { head: { first: [], fields: [], length: 0 }, body: '', interims: [] }
    matches(t, 'response', head, { ...want, line: want.line.split(' ')[1] ?? '' }, head.first[0] ?? '')
    t.equal(body, want.body ?? '')
    t.equal(interims.length, vector.interims.length)
    for (const [at, interim] of vector.interims.entries()) {
      const seen = interims[at]
      if (seen) matches(t, 'interim', seen, { ...interim, line: interim.line.split(' ')[1] ?? '' }, seen.first[0] ?? '')
    }
  } else t.fail(`no expectation of a response: ${expect.kind}`)
  if (expect.kind === 'refused' && expect.closes) {
    t.same([got.answers.length, got.end], [1, 'closed'])
  } else if (expect.kind !== 'broken') {
    t.match(next, { body: 'served /harmless' }, 'the next request gets its own answer')
    t.same([got.answers.length, got.rest], [2, ''], 'and nothing else comes')
  }
}

for (const [engine, make] of engines) {
  t.test(`${engine}: requests`, async t => {
    for (const vector of readCorpus('request')) {
      t.test(`${vector.file}: ${vector.name}`, async t => {
        const expect = (engine === 'undici' && vector.undici) || vector.expect
        const { port, container, gate } = await stand(t, make)
        const got = await playRequest(port, container, vector, expect.kind === 'waits', patienceMs)
        judgeRequest(t, vector, expect, got, gate)
      })
    }
  })
  t.test(`${engine}: responses`, async t => {
    for (const vector of readCorpus('response')) {
      t.test(`${vector.file}: ${vector.name}`, async t => {
        const expect = (engine === 'undici' && vector.undici) || vector.expect
        if (expect.kind === 'untried') {
          t.comment(`not tried: ${expect.why}`)
          return
        }
        const { port, container } = await stand(t, make)
        judgeResponse(t, vector, expect, await playResponse(port, container, vector, patienceMs))
      })
    }
  })
}

t.test('no vector stands twice, and each names its source', async t => {
  const all = [...readCorpus('request'), ...readCorpus('response')]
  const names = all.map(({ file, name }) => `${file}: ${name}`)
  t.equal(new Set(names).size, names.length)
  for (const { name, source } of all) t.ok(source.length > 5, name)
  t.throws(() => parse('x', '== a\nsource: b\n> c\nexpect: nothing\n'), /no expectation/)
  t.throws(() => parse('x', '== a\nsource: b\nexpect: 400\n'), /missing/)
  t.throws(() => parse('x', '== a\nsource: b\n> c\nwhat\nexpect: 400\n'), /not understood/)
})
