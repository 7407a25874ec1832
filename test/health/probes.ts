import t from 'tap'
import { answerProbe, type ProbeAnswer } from '../../src/health/probes.ts'
import { type HeadOptions, head } from '../support/gate.ts'

const state = (phase: 'starting' | 'serving' | 'draining') => ({
  draining: () => phase === 'draining',
  starting: () => phase === 'starting',
})

const word = (answer: ProbeAnswer): string | undefined =>
  typeof answer === 'object' ? `${answer.status} ${answer.body}` : answer

const kubelet = ['User-Agent', 'kube-probe/1.34']
const queue = [...kubelet, 'K-Network-Probe', 'queue']
const hash = ['K-Network-Probe', 'probe', 'K-Network-Hash', 'h']

type Row = [name: string, request: HeadOptions, serving: string | undefined, starting: string | undefined]
const down = '503 shutting down\n'

const probes: Row[] = [
  ['a health check', { fields: queue }, 'asking', '503 '],
  ['a health check by any method and path', { method: 'PUT', target: '/x', fields: queue }, 'asking', '503 '],
  [
    'a health check with another value',
    { fields: [...kubelet, 'K-Network-Probe', 'activator'] },
    '400 unexpected probe header value: activator\n',
    '400 unexpected probe header value: activator\n',
  ],
  [
    'a health check without a value',
    { fields: kubelet },
    '400 unexpected probe header value: \n',
    '400 unexpected probe header value: \n',
  ],
  [
    'a health check that asks for a hash',
    { fields: [...kubelet, ...hash] },
    '400 unexpected probe header value: probe\n',
    '400 unexpected probe header value: probe\n',
  ],
  ['a hash', { fields: hash }, '200 ', '200 '],
  [
    'no hash',
    { fields: ['K-Network-Probe', 'probe'] },
    '400 a probe request must contain a non-empty "K-Network-Hash" header\n',
    '400 a probe request must contain a non-empty "K-Network-Hash" header\n',
  ],
]
for (const [name, request, serving, starting] of probes) {
  t.test(`${name}: ${JSON.stringify(serving)}`, async t => {
    t.equal(word(answerProbe(head(request), state('serving'))), serving)
    t.equal(word(answerProbe(head(request), state('starting'))), starting)
    t.equal(word(answerProbe(head(request), state('draining'))), down)
  })
}

const others: [name: string, fields: string[]][] = [
  ['an ordinary request', []],
  ['queue with an ordinary agent', ['K-Network-Probe', 'queue']],
  ['an empty network probe', ['K-Network-Probe', '']],
  ['PROBE', ['K-Network-Probe', 'PROBE', 'K-Network-Hash', 'h']],
  ['K-Kubelet-Probe', ['K-Kubelet-Probe', 'queue']],
  ['a hash alone', ['K-Network-Hash', 'h']],
]
for (const [name, fields] of others) {
  t.test(`${name} is no probe, in whatever state`, async t => {
    for (const phase of ['starting', 'serving', 'draining'] as const) {
      t.equal(answerProbe(head({ fields }), state(phase)), undefined)
    }
  })
}

t.test('the hash comes back in its header and nothing else does', async t => {
  t.same(answerProbe(head({ fields: hash }), state('serving')), {
    status: 200,
    headers: [['K-Network-Hash', 'h']],
    body: '',
  })
})

t.test('errors look like those of the Go proxy', async t => {
  t.match(answerProbe(head({ fields: kubelet }), state('serving')), {
    headers: [
      ['Content-Type', 'text/plain; charset=utf-8'],
      ['X-Content-Type-Options', 'nosniff'],
    ],
  })
})
