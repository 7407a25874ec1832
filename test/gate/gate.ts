import t from 'tap'
import { type HeadOptions, makeRig, type RigOptions, settled } from '../support/gate.ts'

const kubelet = { fields: ['K-Kubelet-Probe', 'queue'] }
const check = { fields: ['User-Agent', 'kube-probe/1.34', 'K-Network-Probe', 'queue'] }
const echo = { fields: ['K-Network-Probe', 'probe', 'K-Network-Hash', 'abc'] }
const options = { method: 'OPTIONS', target: '*' }

// Each step of enter() against the ones that come after it.
const steps: [name: string, setup: RigOptions, request: HeadOptions, order: string][] = [
  ['a refusal comes before an answer to a probe', { plaintext: 'probes-only' }, { ...kubelet, secure: false }, '421'],
  ['a health check is asked for', {}, check, 'wait'],
  ['a hash is echoed', {}, echo, '200'],
  ['a hash is echoed before service as well', { phase: 'starting' }, echo, '200'],
  ['a health check before service is not ready, whatever the container says', { phase: 'starting' }, check, '503'],
  ['nothing is forwarded before service', { phase: 'starting' }, {}, '503 starting'],
  ['nor to a kubelet probe', { phase: 'starting', kubeletProbesPass: true }, kubelet, '503 starting'],
  ['nor is OPTIONS * answered', { phase: 'starting' }, options, '503 starting'],
  ['OPTIONS * is for us', {}, options, '200'],
  ['OPTIONS of a path is for the container', {}, { method: 'OPTIONS', target: '/*' }, 'start'],
  ['another method on * is for the container', {}, { target: '*' }, 'start'],
  ['a request during the drain is served', { phase: 'draining' }, {}, 'start'],
  ['a health check during the drain fails', { phase: 'draining' }, check, '503 shutting down'],
  ['a request over plaintext is served where it may be', { plaintext: 'serve' }, { secure: false }, 'start'],
  ['a request over TLS is served', { plaintext: 'probes-only' }, {}, 'start'],
]
for (const [name, setup, request, expected] of steps) {
  t.test(name, async t => {
    const { order } = makeRig(setup).enter(request)
    t.equal(expected === '421' ? order.slice(0, 3) : order, expected)
  })
}

t.test('a kubelet probe passes the limit and the statistics only where that is configured', async t => {
  for (const kubeletProbesPass of [true, false]) {
    const { limiter, stats, enter } = makeRig({ kubeletProbesPass })
    enter()
    const { order, ticket, driver } = enter(kubelet)
    t.equal(order, kubeletProbesPass ? 'start' : 'wait')
    t.equal(limiter.inFlight, kubeletProbesPass ? 1 : 2)
    t.equal(stats.concurrency, kubeletProbesPass ? 1 : 2)
    ticket.responded(200)
    ticket.finished('complete', 0)
    t.equal(limiter.inFlight, 1, 'it gives back what it took, which is no slot')
    t.equal(stats.concurrency, 1)
    await settled()
    t.same(driver.orders, [])
  }
})

t.test('a kubelet probe that passes is timed and postpones the drain, like any request', async t => {
  const { clock, drain, enter } = makeRig({ kubeletProbesPass: true, requestMs: 1000 })
  let quiet = false
  void drain.term().then(() => {
    quiet = true
  })
  clock.advance(29_000)
  const { driver } = enter(kubelet)
  clock.advance(1000)
  t.same(driver.orders, ['answer 504 request timeout'])
  await settled()
  t.equal(quiet, false)
})

t.test('an empty K-Kubelet-Probe marks nothing', async t => {
  const { enter } = makeRig({ kubeletProbesPass: true })
  enter()
  t.equal(enter({ fields: ['K-Kubelet-Probe', ''] }).order, 'wait')
})

t.test('probes are answered while everything is taken', async t => {
  const { limiter, stats, enter } = makeRig()
  for (let i = 0; i < 11; i++) enter()
  t.equal(enter().order, '503 pending request queue full')
  t.equal(enter(echo).order, '200')
  const asked = enter(check)
  t.equal(asked.order, 'wait')
  await settled()
  t.same(asked.driver.orders, ['answer 200 queue'])
  t.equal(limiter.inFlight, 11)
  t.equal(stats.concurrency, 12, 'only the one turned away is counted besides')
})

const firsts: [name: string, fields: string[], order: string][] = [
  ['probe before queue', ['K-Network-Probe', 'probe', 'K-Network-Probe', 'queue', 'K-Network-Hash', 'h'], '200'],
  ['queue before probe', ['K-Network-Probe', 'queue', 'K-Network-Probe', 'probe', 'K-Network-Hash', 'h'], 'start'],
  [
    'of a health check too',
    ['User-Agent', 'kube-probe/1', 'K-Network-Probe', 'x', 'K-Network-Probe', 'queue'],
    '400 unexpected probe header value: x',
  ],
]
for (const [name, fields, expected] of firsts) {
  t.test(`the first K-Network-Probe counts: ${name}`, async t => {
    t.equal(makeRig().enter({ fields }).order, expected)
  })
}

t.test('probes do not postpone the drain, requests do', async t => {
  for (const [request, postpones] of [
    [check, false],
    [echo, false],
    [options, false],
    [{}, true],
  ] as const) {
    const { clock, drain, enter } = makeRig()
    let quiet = false
    void drain.term().then(() => {
      quiet = true
    })
    clock.advance(29_000)
    enter(request)
    clock.advance(1000)
    await settled()
    t.equal(quiet, !postpones)
  }
})

t.test('only `activator`, exactly, counts as forwarded by it', async t => {
  for (const [value, proxied] of [
    ['activator', 1],
    ['Activator', 0],
    ['', 0],
    ['activator, x', 0],
  ] as const) {
    const { stats, enter } = makeRig()
    const { ticket } = enter({ fields: ['K-Proxy-Request', value] })
    ticket.finished('complete', 0)
    stats.tick()
    t.match(stats.latest, { requests: 1, proxiedRequests: proxied })
  }
})
