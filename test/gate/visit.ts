import fc from 'fast-check'
import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import type { End, Reply, Summary } from '../../src/gate/contract.ts'
import { type Entered, Journal, makeRig, type Rig, type RigOptions, settled } from '../support/gate.ts'

const broken = (): Fault => new Fault('upstream-closed', 'EOF from 127.0.0.1:8080')

/** A rig whose only slot is taken, so that the next request waits. */
function busyRig(options: RigOptions = {}): Rig & { first: Entered } {
  const rig = makeRig(options)
  return { ...rig, first: rig.enter() }
}

t.test('a request is served and gives everything back', async t => {
  const { clock, limiter, stats, summaries, enter } = makeRig()
  const { ticket, order } = enter()
  t.equal(order, 'start')
  t.match([limiter.inFlight, stats.concurrency, clock.pending], [1, 1, 1])
  clock.advance(20)
  ticket.received(3)
  ticket.responded(201)
  ticket.sent(5)
  ticket.sent(6)
  clock.advance(30)
  ticket.finished('complete', 1)
  clock.advance(100)
  t.match([limiter.inFlight, stats.concurrency, clock.pending], [0, 0, 0])
  t.match(summaries[0]?.head, { method: 'GET', target: '/' })
  t.same(
    summaries.map(({ head, ...rest }) => rest),
    [
      {
        end: 'complete',
        status: 201,
        responded: true,
        counted: true,
        admitted: true,
        forwarded: true,
        totalMs: 50,
        durationMs: 50,
        headMs: 20,
        retries: 1,
        bytesReceived: 3,
        bytesSent: 11,
        fault: undefined,
      },
    ],
  )
})

t.test('time in line is part of the whole, not of the container', async t => {
  const { first, clock, summaries, enter } = busyRig()
  const { ticket } = enter()
  clock.advance(40)
  first.ticket.finished('complete', 0)
  await settled()
  clock.advance(7)
  ticket.responded(200)
  clock.advance(3)
  ticket.finished('complete', 0)
  t.match(summaries[1], { totalMs: 50, durationMs: 10, headMs: 7 })
})

const answered: [name: string, run: (rig: Rig) => void, expected: Partial<Summary>][] = [
  [
    'turned away',
    ({ enter }) => {
      for (let i = 0; i < 11; i++) enter()
      enter().ticket.finished('answered', 0)
    },
    { status: 503, bytesSent: 'pending request queue full\n'.length, forwarded: false },
  ],
  [
    'broken',
    ({ enter }) => {
      const { ticket } = enter()
      ticket.failed(broken())
      ticket.finished('upstream-failed', 0)
    },
    { status: 502, bytesSent: 'upstream-closed\n'.length, responded: false, forwarded: true, headMs: 0 },
  ],
  [
    'broken, without a body',
    ({ enter }) => {
      const { ticket } = enter({ method: 'HEAD' })
      ticket.failed(broken())
      ticket.finished('upstream-failed', 0)
    },
    { status: 502, bytesSent: 0 },
  ],
  [
    'out of time',
    ({ clock, enter }) => {
      const { ticket } = enter()
      clock.advance(60_000)
      ticket.finished('answered', 0)
    },
    { status: 504, bytesSent: 'request timeout'.length },
  ],
]
for (const [name, run, expected] of answered) {
  t.test(`what we answer ourselves is counted: ${name}`, async t => {
    const rig = makeRig()
    run(rig)
    t.match(rig.summaries, [expected])
  })
}

t.test('a slot is given back once, whatever the engine tells twice', async t => {
  const { limiter, stats, summaries, enter } = makeRig({ working: 2 })
  const { ticket } = enter()
  enter()
  const third = enter()
  ticket.finished('complete', 0)
  ticket.finished('cut', 3)
  ticket.finished('client-left', 0)
  await settled()
  t.same(third.driver.orders, ['start'])
  t.equal(enter().order, 'wait')
  t.equal(limiter.inFlight, 3)
  t.equal(stats.concurrency, 3)
  t.match(summaries, [{ end: 'complete', retries: 0 }])
})

t.test('a queued client that leaves frees its place', async t => {
  const { first, limiter, stats, summaries, enter } = busyRig()
  const { ticket, driver } = enter()
  ticket.finished('client-left', 0)
  t.equal(limiter.inFlight, 1)
  t.equal(stats.concurrency, 1)
  first.ticket.finished('complete', 0)
  await settled()
  t.same(driver.orders, [], 'it is never started')
  t.match(summaries[0], { end: 'client-left', status: 499, counted: true, admitted: false, durationMs: 0 })
})

t.test('a client that leaves before the head has 499, after it the status that was sent', async t => {
  const { summaries, enter } = makeRig()
  const before = enter().ticket
  before.finished('client-left', 0)
  const after = enter().ticket
  after.responded(206)
  after.finished('client-left', 0)
  t.match(summaries, [{ status: 499 }, { status: 206 }])
})

t.test('a request that runs out of time in line is answered 504 and never started', async t => {
  const { first, clock, limiter, summaries, lines, enter } = busyRig({ requestMs: 1000 })
  const { ticket, driver } = enter()
  first.ticket.responded(200)
  clock.advance(1000)
  t.same(driver.orders, ['answer 504 request timeout'])
  t.equal(limiter.inFlight, 1, 'out of the line at once')
  first.ticket.finished('complete', 0)
  await settled()
  ticket.finished('answered', 0)
  await settled()
  t.same(driver.orders, ['answer 504 request timeout'])
  t.equal(limiter.inFlight, 0)
  t.match(summaries[1], { end: 'answered', status: 504, admitted: false })
  t.match(lines, [
    { level: 'warn', message: 'Request timeout', fields: { code: 'timeout', deadline: 'request' } },
    { level: 'warn', message: 'Request timeout' },
  ])
})

t.test('a started request that runs out of time is answered 504 and keeps its slot until it ends', async t => {
  const { clock, limiter, enter } = makeRig({ requestMs: 1000 })
  const { ticket, driver } = enter()
  const next = enter()
  clock.advance(1000)
  t.same(driver.orders, ['answer 504 request timeout'])
  t.equal(limiter.inFlight, 1, 'the one in line ran out of time too')
  t.same(next.driver.orders, ['answer 504 request timeout'])
  ticket.finished('answered', 0)
  t.equal(limiter.inFlight, 0)
})

t.test('a response that has begun can only be cut, once', async t => {
  const { clock, lines, enter } = makeRig({ requestMs: 1000, idleMs: 1000 })
  const { ticket, driver } = enter()
  ticket.responded(200)
  clock.advance(1000)
  t.same(driver.orders, ['cut'])
  t.equal(ticket.failed(broken()), undefined, 'what breaks because it was cut is no news')
  t.equal(lines.length, 1)
})

t.test('out of time is said once, however many deadlines expire', async t => {
  const { clock, lines, enter } = makeRig({ requestMs: 1000, responseStartMs: 1000, idleMs: 1000 })
  const { driver } = enter()
  clock.advance(5000)
  t.same(driver.orders, ['answer 504 request timeout'])
  t.equal(lines.length, 1)
})

t.test('a request that was turned away does not run out of time any more', async t => {
  const { clock, lines, enter } = makeRig({ requestMs: 1000 })
  for (let i = 0; i < 11; i++) enter()
  const { ticket, driver, order } = enter()
  t.equal(order, '503 pending request queue full')
  clock.advance(500)
  t.same(driver.orders, [])
  clock.advance(500)
  t.same(driver.orders, [])
  t.equal(lines.length, 11)
  ticket.finished('answered', 0)
})

const starts: [name: string, reports: (each: Entered) => void, fired: string[]][] = [
  ['nothing has come: 504', () => {}, ['answer 504 request timeout']],
  ['a final head ends it', ({ ticket }) => ticket.responded(200), []],
  ['an interim head ends it', ({ ticket }) => ticket.interim(103), []],
  ['bytes of the client do not', ({ ticket }) => ticket.received(10), ['answer 504 request timeout']],
]
for (const [name, reports, expected] of starts) {
  t.test(`the response-start deadline: ${name}`, async t => {
    const { clock, enter } = makeRig({ responseStartMs: 500 })
    const each = enter()
    clock.advance(400)
    reports(each)
    clock.advance(1000)
    t.same(each.driver.orders, expected)
  })
}

const idles: [name: string, reports: (each: Entered) => void, fired: string[]][] = [
  ['bytes to the client re-arm it', ({ ticket }) => [ticket.responded(200), ticket.sent(1)], []],
  ['bytes from the client do not', ({ ticket }) => ticket.received(1), ['answer 504 request timeout']],
  ['an interim head does', ({ ticket }) => ticket.interim(102), []],
  ['a final head does', ({ ticket }) => ticket.responded(200), []],
]
for (const [name, reports, expected] of idles) {
  t.test(`the idle deadline: ${name}`, async t => {
    const { clock, enter } = makeRig({ idleMs: 500 })
    const each = enter()
    clock.advance(400)
    reports(each)
    clock.advance(400)
    t.same(each.driver.orders, expected)
  })
}

const bodies: [name: string, status: number, report: 'received' | 'sent', fired: string[]][] = [
  ['of a response, only what goes to the client counts', 200, 'received', ['cut']],
  ['of a tunnel, what the client sends counts as well', 101, 'received', []],
  ['of a tunnel, what it is sent counts', 101, 'sent', []],
]
for (const [name, status, report, expected] of bodies) {
  t.test(`the idle deadline: ${name}`, async t => {
    const { clock, enter } = makeRig({ idleMs: 500 })
    const { ticket, driver } = enter()
    ticket.responded(status)
    clock.advance(400)
    ticket[report](1)
    clock.advance(400)
    t.same(driver.orders, expected)
    clock.advance(200)
    t.same(driver.orders, ['cut'])
  })
}

const failures: [name: string, fault: Fault, explain: boolean, reply: Partial<Reply>][] = [
  ['the client gets the code', broken(), false, { status: 502, body: 'upstream-closed\n', close: false }],
  ['or the text, where the policy explains', broken(), true, { body: 'EOF from 127.0.0.1:8080\n' }],
  ['where the client is to blame its connection ends', new Fault('request-malformed', 'x'), false, { close: true }],
]
for (const [name, fault, explain, expected] of failures) {
  t.test(`before a head has left: ${name}`, async t => {
    const { lines, summaries, enter } = makeRig({ explain })
    const { ticket } = enter()
    t.match(ticket.failed(fault), expected)
    t.equal(ticket.failed(broken()), undefined, 'answered once')
    ticket.finished('upstream-failed', 0)
    t.match(summaries, [{ status: fault.status, fault, admitted: true }], 'the first fault is remembered')
    t.equal(lines.length, 1, 'and only it is logged')
    t.match(lines[0], { level: 'error', fields: { code: fault.code, error: fault.message } })
  })
}

t.test('after a head has left only breaking off is honest', async t => {
  const { lines, summaries, enter } = makeRig()
  const { ticket } = enter()
  ticket.responded(200)
  t.equal(ticket.failed(broken()), undefined)
  ticket.finished('upstream-failed', 0)
  t.match(summaries, [{ status: 200, fault: { code: 'upstream-closed' } }])
  t.equal(lines.length, 1)
})

t.test('a request that breaks while it waits is answered, leaves the line and is never started', async t => {
  const { first, limiter, summaries, enter } = busyRig()
  const { ticket, driver } = enter()
  t.match(ticket.failed(new Fault('request-malformed', 'x')), { status: 400 })
  t.equal(limiter.inFlight, 1)
  first.ticket.finished('complete', 0)
  await settled()
  t.same(driver.orders, [])
  ticket.finished('malformed', 0)
  t.match(summaries[1], { status: 400, admitted: false })
})

t.test('reports after the end change nothing', async t => {
  const { clock, summaries, lines, enter } = makeRig({ idleMs: 100 })
  const { ticket, driver } = enter()
  ticket.finished('complete', 0)
  ticket.interim(100)
  ticket.responded(500)
  ticket.received(1)
  ticket.sent(1)
  t.equal(ticket.failed(broken()), undefined)
  clock.advance(120_000)
  t.same([driver.orders, lines, clock.pending], [[], [], 0])
  t.match(summaries, [{ status: 0, bytesReceived: 0 }])
  t.equal(summaries.length, 1)
})

t.test('a second final head is not believed', async t => {
  const { summaries, enter } = makeRig()
  const { ticket } = enter()
  ticket.responded(200)
  ticket.responded(404)
  ticket.finished('complete', 0)
  t.match(summaries, [{ status: 200 }])
})

const probe = { fields: ['User-Agent', 'kube-probe/1', 'K-Network-Probe', 'queue'] }

t.test('a probe that waits for the container is answered later, and not if it has left', async t => {
  let answer: (reply: Reply) => void = () => {}
  const { summaries, enter } = makeRig({
    ask: () =>
      new Promise(resolve => {
        answer = resolve
      }),
  })
  const stays = enter(probe)
  t.equal(stays.order, 'wait')
  answer({ status: 200, headers: [], body: 'queue' })
  await settled()
  t.same(stays.driver.orders, ['answer 200 queue'])
  stays.ticket.finished('answered', 0)
  const leaves = enter(probe)
  leaves.ticket.finished('client-left', 0)
  answer({ status: 200, headers: [], body: 'queue' })
  await settled()
  t.same(leaves.driver.orders, [])
  t.match(summaries, [
    { status: 200, counted: false },
    { status: 499, counted: false },
  ])
})

t.test('a question to the container that breaks is answered 503', async t => {
  const { lines, enter } = makeRig({ ask: () => Promise.reject(new Error('no')) })
  const { driver } = enter(probe)
  await settled()
  t.same(driver.orders, ['answer 503 not ready'])
  t.match(lines, [{ level: 'error', fields: { code: 'internal', error: 'Error' } }])
})

t.test('a request that passes takes nothing but time', async t => {
  const { clock, limiter, stats, summaries, enter } = makeRig({ kubeletProbesPass: true })
  const { order, ticket } = enter({ fields: ['K-Kubelet-Probe', 'x'] })
  t.same([order, limiter.inFlight, stats.concurrency, clock.pending], ['start', 0, 0, 1])
  ticket.responded(200)
  ticket.finished('complete', 0)
  clock.advance(50)
  t.equal(clock.pending, 0)
  t.match(summaries, [
    { status: 200, counted: false, admitted: false, forwarded: true, responded: true, durationMs: 0 },
  ])
})

t.test('a wake-up never runs inside the end of another request', async t => {
  const { enter } = makeRig()
  const steps: string[] = []
  const journal = (name: string): Journal => {
    const driver = new Journal()
    driver.during = order => steps.push(`${name} ${order}`)
    return driver
  }
  const a = enter({}, journal('a'))
  const b = enter({}, journal('b'))
  enter({}, journal('c'))
  a.ticket.finished('complete', 0)
  steps.push('a unwound')
  await settled()
  b.ticket.finished('complete', 0)
  steps.push('b unwound')
  await settled()
  t.same(steps, ['a unwound', 'b start', 'b unwound', 'c start'])
})

t.test('whatever happens, at most N work, everybody is told one thing, and all is given back', async t => {
  const ends: End[] = ['complete', 'client-left', 'upstream-failed', 'malformed', 'answered', 'cut']
  const move = fc.record({
    kind: fc.constantFrom('enter', 'enter', 'respond', 'fail', 'end', 'wait', 'flush'),
    at: fc.nat(60),
  })
  await fc.assert(
    fc.asyncProperty(fc.nat(3), fc.array(move, { maxLength: 80 }), async (working, moves) => {
      const rig = makeRig({ working, requestMs: 1000, responseStartMs: 400, idleMs: 300 })
      const live: Entered[] = []
      const all: Entered[] = []
      const problems: string[] = []
      const check = (): void => {
        const busy = live.filter(each => each.order === 'start' || each.driver.orders[0] === 'start').length
        if (working > 0 && busy > working) problems.push(`${busy} of ${working} work`)
        if (rig.stats.concurrency !== live.length) problems.push(`${rig.stats.concurrency} counted of ${live.length}`)
      }
      for (const { kind, at } of moves) {
        const each = live[at % Math.max(1, live.length)]
        if (kind === 'enter') {
          const entered = rig.enter()
          live.push(entered)
          all.push(entered)
        } else if (kind === 'wait') rig.clock.advance(at * 10)
        else if (kind === 'flush') await settled()
        else if (!each) continue
        else if (kind === 'respond') each.ticket.responded(200)
        else if (kind === 'fail') each.ticket.failed(broken())
        else {
          live.splice(live.indexOf(each), 1)
          each.ticket.finished(ends[at % ends.length] ?? 'cut', 0)
          each.ticket.finished('cut', 0)
        }
        check()
      }
      while (live.length > 0) {
        live.shift()?.ticket.finished('cut', 0)
        await settled()
        check()
      }
      rig.clock.advance(50)
      for (const { order, driver } of all) {
        const orders = order === 'wait' ? driver.orders : [order, ...driver.orders]
        if (orders.filter(each => each === 'start').length > 1) problems.push(`started twice: ${orders.join(', ')}`)
        if (orders.filter(each => each !== 'start' && each !== 'cut').length > 1) problems.push(orders.join(', '))
      }
      if (rig.limiter.inFlight + rig.stats.concurrency + rig.clock.pending > 0) problems.push('something was kept')
      if (rig.summaries.length !== all.length) problems.push(`${rig.summaries.length} summaries of ${all.length}`)
      if (problems.length > 0) throw new Error(problems.join('; '))
    }),
  )
  t.pass()
})
