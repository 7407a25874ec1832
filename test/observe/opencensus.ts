import t from 'tap'
import type { DialectOptions } from '../../src/observe/dialect.ts'
import { openCensus } from '../../src/observe/opencensus.ts'
import { linesOf, refused, serving, summaryOf } from './summary.js'

const make = (options: Partial<DialectOptions> = {}) => {
  const dialect = openCensus({
    serving,
    version: '0.1.0',
    upstream: { port: 8080, secure: true },
    hosts: [],
    may: () => true,
    inFlight: () => 3,
    ...options,
  })
  return { ...dialect, text: () => dialect.pages.map(page => page.text()).join('') }
}

const before =
  'configuration_name="cart-config",container_name="queue-proxy",namespace_name="shop",pod_name="cart-00001-x"'
const after = 'revision_name="cart-00001"'
const last = 'service_name="cart"'

t.test('a request, outside and inside of the line', async t => {
  const metrics = make()
  metrics.finished(summaryOf({}, { fields: ['Knative-Serving-Tag', 'blue'] }))
  const text = metrics.text()
  const code = 'response_code="200",response_code_class="2xx"'
  t.same(
    text.split('\n').filter(line => /^revision_\w+(?:count|sum|depth)\{/.test(line)),
    [
      `revision_request_count{${before},${code},${after},route_tag="blue",${last}} 1`,
      `revision_request_latencies_sum{${before},${code},${after},route_tag="blue",${last}} 80`,
      `revision_request_latencies_count{${before},${code},${after},route_tag="blue",${last}} 1`,
      `revision_app_request_count{${before},${code},${after},${last}} 1`,
      `revision_app_request_latencies_sum{${before},${code},${after},${last}} 60`,
      `revision_app_request_latencies_count{${before},${code},${after},${last}} 1`,
      `revision_queue_depth{${before},${after},${last}} 3`,
    ],
  )
  t.same(
    linesOf(text, '# TYPE').map(line => line.slice(7)),
    [
      'revision_request_count counter',
      'revision_request_latencies histogram',
      'revision_app_request_count counter',
      'revision_app_request_latencies histogram',
      'revision_queue_depth gauge',
    ],
  )
  t.match(text, '# HELP revision_app_request_count The number of requests that are routed to user-container\n')
  t.match(text, 'le="100000"')
})

const codes: [name: string, over: Parameters<typeof summaryOf>[0], code: string][] = [
  ['a response that broke off', { end: 'cut' }, '500'],
  ['one that never began', { end: 'cut', status: 0, responded: false }, '500'],
  ['a client that left', { end: 'client-left', status: 499, responded: false }, '499'],
]
for (const [name, over, code] of codes) {
  t.test(`${name} is a ${code}`, async t => {
    const metrics = make()
    metrics.finished(summaryOf(over))
    const shown = `response_code="${code}",response_code_class="${code[0]}xx",${after},route_tag="DISABLED"`
    t.match(linesOf(metrics.text(), 'revision_request_count'), [`revision_request_count{${before},${shown},${last}} 1`])
  })
}

t.test('who was turned away was never in the container, and shares the series outside of it', async t => {
  const metrics = make()
  metrics.finished(summaryOf({ ...refused, status: 200 }))
  t.same(linesOf(metrics.text(), 'revision_app'), [])
  metrics.finished(summaryOf())
  t.match(linesOf(metrics.text(), 'revision_request_count'), [/ 2$/])
  t.match(linesOf(metrics.text(), 'revision_app_request_count'), [/ 1$/])
})

t.test('probes are in none', async t => {
  const metrics = make()
  metrics.finished(summaryOf({}, { fields: ['K-Network-Probe', 'queue'] }))
  t.notMatch(metrics.text(), 'revision_request')
})

t.test('what the policy does not allow is no label and no series', async t => {
  const metrics = make({ may: () => false, inFlight: undefined })
  metrics.finished(summaryOf({}, { fields: ['Knative-Serving-Tag', 'blue'] }))
  t.same(linesOf(metrics.text(), 'revision_'), [
    `revision_request_count{${before},${after},${last}} 1`,
    `revision_app_request_count{${before},${after},${last}} 1`,
  ])
})

t.test('the page stays small', async t => {
  const metrics = make()
  for (let status = 100; status < 1000; status++) {
    const routes = [[], ['Knative-Serving-Default-Route', 'true'], ['Knative-Serving-Tag', `t${status}`]]
    for (const fields of routes) metrics.finished(summaryOf({ status }, { fields }))
  }
  const lines = linesOf(metrics.text(), 'revision_request_count')
  t.ok(lines.length <= 2001)
  t.equal(lines.filter(line => line.includes('response_code="_other",response_code_class="_other"')).length, 1)
})
