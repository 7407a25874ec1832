import t from 'tap'
import { inbound } from '../../src/gate/inbound.ts'
import { type HeadOptions, head, makeRig } from '../support/gate.ts'

const agent = ['User-Agent', 'Knative-Activator-Probe']
const probe = [...agent, 'K-Network-Probe', 'queue']
const hash = (value: string): string[] => ['K-Network-Probe', 'probe', 'K-Network-Hash', value]

// What a plaintext port that may not serve answers: the whole list.
const table: [name: string, request: HeadOptions, order: string][] = [
  ['a health check of the kubelet', { fields: ['User-Agent', 'kube-probe/1.34', 'K-Network-Probe', 'queue'] }, 'wait'],
  ['a health check of the activator', { target: '/healthz', fields: probe }, 'wait'],
  ['a health check by HEAD', { method: 'HEAD', fields: probe }, 'wait'],
  ['a health check over h2', { version: '2', fields: probe }, 'wait'],
  [
    'an autoscaler that reached the wrong place',
    { fields: ['User-Agent', 'Knative-Autoscaling-Probe', 'K-Network-Probe', 'activator'] },
    '400 unexpected probe header value: activator',
  ],
  ['a health check without its header', { fields: agent }, '400 unexpected probe header value:'],
  ['a hash to be echoed', { fields: hash('abc') }, '200'],
  ['a hash of 256 characters', { fields: hash('a'.repeat(256)) }, '200'],
  ['a hash of 257 characters', { fields: hash('a'.repeat(257)) }, '421'],
  ['an empty hash', { fields: hash('') }, '421'],
  ['no hash', { fields: ['K-Network-Probe', 'probe'] }, '421'],
  ['a hash with a space', { fields: hash('a b') }, '421'],
  ['a hash beyond ASCII', { fields: hash('\u00e9') }, '421'],
  ['a hash with a control character', { fields: hash('a\u0001') }, '421'],
  ['a hash asked for by HEAD', { method: 'HEAD', fields: hash('abc') }, '421'],
  ['a hash asked for by POST', { method: 'POST', fields: hash('abc') }, '421'],
  ['an ordinary GET', {}, '421'],
  ['an ordinary GET with another network probe', { fields: ['K-Network-Probe', 'queue'] }, '421'],
  ['K-Kubelet-Probe', { fields: ['K-Kubelet-Probe', 'queue'] }, '421'],
  ['K-Kubelet-Probe of a health check that is one', { fields: [...probe, 'K-Kubelet-Probe', 'x'] }, 'wait'],
  ['POST with a probe agent', { method: 'POST', fields: probe }, '421'],
  ['PUT with a probe agent', { method: 'PUT', fields: probe }, '421'],
  ['a lower-case method', { method: 'get', fields: probe }, '421'],
  ['OPTIONS *', { method: 'OPTIONS', target: '*' }, '421'],
  ['OPTIONS * with a probe agent', { method: 'OPTIONS', target: '*', fields: probe }, '421'],
  ['CONNECT', { method: 'CONNECT', target: 'a:443' }, '421'],
  ['CONNECT with a probe agent', { method: 'CONNECT', target: 'a:443', fields: probe }, '421'],
  ['an upgrade', { upgrade: true, fields: ['Connection', 'Upgrade', 'Upgrade', 'websocket'] }, '421'],
  ['an upgrade with a probe agent', { upgrade: true, fields: probe }, '421'],
  ['an upgrade that the engine would not let', { fields: [...probe, 'Upgrade', 'h2c'] }, '421'],
  ['an upgrade behind a hash', { fields: [...hash('abc'), 'Upgrade', 'h2c'] }, '421'],
  ['Expect with a probe agent', { fields: [...probe, 'Expect', '100-continue'] }, '421'],
  ['a body by length', { fields: [...probe, 'Content-Length', '3'] }, '421'],
  ['a body of no length', { fields: [...probe, 'Content-Length', '0'] }, '421'],
  ['a chunked body', { fields: [...probe, 'Transfer-Encoding', 'chunked'] }, '421'],
  ['a chunked body behind a hash', { fields: [...hash('abc'), 'Transfer-Encoding', 'chunked'] }, '421'],
  ['a probe agent in other letters', { fields: ['User-Agent', 'knative-activator-probe'] }, '421'],
  ['a probe agent not at the start', { fields: ['User-Agent', 'x kube-probe/1.34'] }, '421'],
]
for (const [name, request, expected] of table) {
  t.test(`probes-only: ${name}: ${expected}`, async t => {
    const { stats, limiter, clock, summaries, enter } = makeRig({ plaintext: 'probes-only', kubeletProbesPass: true })
    const { order, ticket, driver } = enter({ ...request, secure: false })
    t.equal(expected === '421' ? order.slice(0, 3) : order, expected)
    if (typeof ticket.order === 'object') t.equal(ticket.order.close === true, expected === '421')
    ticket.finished('answered', 0)
    stats.tick()
    t.match(stats.latest, { requests: 0, proxiedRequests: 0 }, 'statistics are untouched')
    t.match([limiter.inFlight, clock.pending, driver.orders], [0, 0, []], 'so is everything else')
    t.match(summaries, [{ counted: false, admitted: false }])
  })
}

t.test('a TLS connection is not asked', async t => {
  t.equal(inbound('probes-only')(head({ method: 'POST', secure: true })), undefined)
})

t.test('a port that may serve refuses nothing', async t => {
  const refuse = inbound('serve')
  for (const [, request] of table) t.equal(refuse(head({ ...request, secure: false })), undefined)
})
