import t, { type Test } from 'tap'
import { type HeadOptions, makeRig, type Rig, type RigOptions, settled } from '../support/gate.ts'

// The facts that the order of checks must keep, as knative/serving has them (98e5ef90aa); for each what the gate orders,
// in words: 'start', 'wait', or the status and text of a reply, then what the driver was told later.

const agents = ['kube-probe/1.34', 'Knative-Activator-Probe', 'Knative-Autoscaling-Probe']
const check = (agent: string, value = 'queue', target = '/'): HeadOptions => ({
  target,
  fields: ['User-Agent', agent, 'K-Network-Probe', value],
})
const echo = (hash: string): HeadOptions => ({ fields: ['K-Network-Probe', 'probe', 'K-Network-Hash', hash] })
const notReady = (): Promise<{ status: number; headers: []; body: string }> =>
  Promise.resolve({ status: 503, headers: [], body: '' })

type Row = [fact: string, setup: RigOptions, request: HeadOptions, orders: string[]]

const answers: Row[] = [
  ...agents.flatMap((agent): Row[] => [
    [`${agent}: a ready container answers 200 queue`, {}, check(agent), ['wait', 'answer 200 queue']],
    [`${agent}: whatever the path`, {}, check(agent, 'queue', '/a/b?c'), ['wait', 'answer 200 queue']],
    [`${agent}: another value is 400`, {}, check(agent, 'x'), ['400 unexpected probe header value: x']],
    [`${agent}: a container that is not ready is 503`, { ask: notReady }, check(agent), ['wait', 'answer 503']],
    [`${agent}: a drain is 503`, { phase: 'draining' }, check(agent), ['503 shutting down']],
    [`${agent}: a drain comes before the value`, { phase: 'draining' }, check(agent, 'x'), ['503 shutting down']],
  ]),
  ['a health check is no matter of case', {}, check('Kube-Probe/1'), ['start']],
  ['a network probe gets its hash back', {}, echo('h'), ['200']],
  ['a network probe during the drain is 503', { phase: 'draining' }, echo('h'), ['503 shutting down']],
  ['an empty hash is 400', {}, echo(''), ['400 a probe request must contain a non-empty "K-Network-Hash" header']],
  ['another network probe is traffic', {}, { fields: ['K-Network-Probe', 'queue'] }, ['start']],
  ['h2 and h1 pass the same checks', {}, { version: '2' }, ['start']],
  ['ordinary traffic during the drain is served', { phase: 'draining' }, {}, ['start']],
]
for (const [fact, setup, request, expected] of answers) {
  t.test(fact, async t => {
    const { order, driver } = makeRig(setup).enter(request)
    await settled()
    t.same([order, ...driver.orders], expected)
  })
}

t.test('the hash is echoed in its header', async t => {
  const { ticket } = makeRig().enter(echo('h'))
  t.match(ticket.order, { headers: [['K-Network-Hash', 'h']], body: '' })
})

/** One request works and ten wait. */
function saturate({ enter }: Rig) {
  return Array.from({ length: 11 }, () => enter())
}

const sequences: [fact: string, setup: RigOptions, run: (t: Test, rig: Rig) => Promise<void>][] = [
  [
    'the timeout starts before the line',
    { requestMs: 1000 },
    async (t, rig) => {
      const { driver, order } = saturate(rig)[10] ?? rig.enter()
      rig.clock.advance(1000)
      t.same([order, ...driver.orders], ['wait', 'answer 504 request timeout'])
    },
  ],
  [
    'counted in before the line, counted out always',
    {},
    async (t, rig) => {
      const all = [...saturate(rig), rig.enter()]
      t.equal(rig.stats.concurrency, 12)
      for (const { ticket } of all) ticket.finished('cut', 0)
      t.equal(rig.stats.concurrency, 0)
      rig.stats.tick()
      t.match(rig.stats.latest, { requests: 12 })
    },
  ],
  [
    'a full line is 503',
    {},
    async (t, rig) => {
      saturate(rig)
      t.equal(rig.enter().order, '503 pending request queue full')
    },
  ],
  [
    'the time of the container starts after admission',
    {},
    async (t, rig) => {
      const [first, second] = saturate(rig)
      rig.clock.advance(500)
      first?.ticket.finished('complete', 0)
      await settled()
      rig.clock.advance(30)
      second?.ticket.responded(200)
      second?.ticket.finished('complete', 0)
      t.match(rig.summaries, [{ durationMs: 500 }, { durationMs: 30, admitted: true }])
    },
  ],
  [
    'a probe has no such time, is not counted, and a recorder can tell',
    {},
    async (t, rig) => {
      for (const request of [check('kube-probe/1'), echo('h')]) rig.enter(request).ticket.finished('answered', 0)
      t.match(rig.summaries, [
        { counted: false, admitted: false, durationMs: 0 },
        { counted: false, admitted: false, durationMs: 0 },
      ])
    },
  ],
  [
    'a response that has begun can only be cut',
    { requestMs: 1000 },
    async (t, rig) => {
      const { ticket, driver } = rig.enter()
      ticket.responded(200)
      rig.clock.advance(1000)
      t.same(driver.orders, ['cut'])
    },
  ],
  [
    'what the activator forwarded counts as proxied',
    {},
    async (t, rig) => {
      rig.enter({ fields: ['K-Proxy-Request', 'activator'] })
      rig.enter()
      rig.stats.tick()
      t.match(rig.stats.latest, { requests: 2, proxiedRequests: 1 })
    },
  ],
  [
    'a tunnel holds its slot until it closes',
    {},
    async (t, rig) => {
      const tunnel = rig.enter({ upgrade: true, fields: ['Upgrade', 'websocket', 'Connection', 'Upgrade'] })
      tunnel.ticket.responded(101)
      const next = rig.enter()
      rig.clock.advance(10_000)
      t.same([next.order, ...next.driver.orders], ['wait'])
      tunnel.ticket.finished('complete', 0)
      await settled()
      t.same(next.driver.orders, ['start'])
    },
  ],
]
for (const [fact, setup, run] of sequences) t.test(fact, t => run(t, makeRig(setup)))
