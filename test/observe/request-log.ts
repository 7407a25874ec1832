import t from 'tap'
import { defaultTemplate } from '../../src/config/observability.ts'
import type { Summary } from '../../src/gate/contract.ts'
import { makeRequestLog, openRequestLog } from '../../src/observe/request-log.ts'
import { type HeadOptions, settled } from '../support/gate.ts'
import { memoryLog } from '../support/log.ts'
import { serving, summaryOf } from './summary.js'

function make(template: string, probes = false) {
  const writes: string[] = []
  const { recorders, flush } = makeRequestLog({ template, serving, probes, write: lines => writes.push(lines) })
  const finished = (over?: Partial<Summary>, request?: HeadOptions): void => {
    for (const recorder of recorders) recorder.finished(summaryOf(over, request))
  }
  return { writes, flush, finished }
}

t.test('the default line', async t => {
  const { writes, finished, flush } = make(defaultTemplate)
  const fields = ['User-Agent', 'a"b', 'Referer', 'http://r/', 'Traceparent', '00-4bf9-00f0-01', 'Content-Length', '5']
  finished({ totalMs: 1.2345678, bytesSent: 186 }, { target: '/x?y="z', fields })
  flush()
  t.same(writes, [
    '{"httpRequest": {"requestMethod": "GET", "requestUrl": "/x?y\\u003D\\"z", "requestSize": "5", "status": 200, ' +
      '"responseSize": "186", "userAgent": "a\\"b", "remoteIp": "192.0.2.1", "serverIp": "10.0.0.1", ' +
      '"referer": "http://r/", "latency": "0.001234568s", "protocol": "HTTP/1.1"}, "traceId": "4bf9"}\n',
  ])
})

t.test('lines of one tick leave in one write', async t => {
  const { writes, finished, flush } = make('{{.Response.Code}}')
  finished()
  finished({ status: 404 })
  t.same(writes, [])
  await settled()
  t.same(writes, ['200\n404\n'])
  flush()
  t.equal(writes.length, 1, 'nothing was waiting')
  finished()
  await settled()
  t.same(writes, ['200\n404\n', '200\n'])
})

t.test('many lines do not wait for the end of the tick', async t => {
  const { writes, finished } = make('{{.Request.RequestURI}}')
  for (let i = 0; i < 70; i++) finished({}, { target: `/${'x'.repeat(1023)}` })
  t.equal(writes.length, 1)
  await settled()
  t.equal(writes.join('').length, 70 * 1025)
})

t.test('a line feed is added where there is none', async t => {
  for (const template of ['x', 'x\n']) {
    const { writes, finished, flush } = make(template)
    finished()
    flush()
    t.same(writes, ['x\n'])
  }
})

t.test('probes are logged only if asked for', async t => {
  const probe = { fields: ['K-Network-Probe', 'probe'] }
  for (const [asked, expected] of [
    [false, []],
    [true, ['x\n']],
  ] as const) {
    const { writes, finished, flush } = make('x', asked)
    finished({}, probe)
    flush()
    t.same(writes, expected)
  }
})

t.test('a template that fails leaves a line that says so', async t => {
  const { writes, finished, flush } = make('before {{.Nope}}')
  finished({ totalMs: 1, status: 404 }, { target: '/x' })
  finished({ end: 'cut' })
  flush()
  t.same(writes, [
    'Invalid request log template: method: GET, response code: 404, latency: 0.001, url: /x\n' +
      'Invalid request log template: method: GET, response code: 500, latency: 0.08, url: /\n',
  ])
})

t.test('text beyond ASCII stays what it was; what is no text is marked', async t => {
  const { writes, finished, flush } = make('é {{.Request.UserAgent}}')
  finished({}, { fields: ['User-Agent', 'caf\xc3\xa9 \xff'] })
  flush()
  t.same(writes, ['é café \ufffd\n'])
})

const wish = { enableRequestLog: true, enableProbeRequestLog: false, requestLogTemplate: 'x' }

t.test('no log where none is wanted or there is no template', async t => {
  const { log, lines } = memoryLog()
  for (const off of [{ enableRequestLog: false }, { requestLogTemplate: '' }]) {
    const { recorders, flush } = openRequestLog({ ...wish, ...off }, serving, () => t.fail(), log)
    t.same(recorders, [])
    flush()
  }
  t.equal(openRequestLog(wish, serving, () => {}, log).recorders.length, 1)
  t.same(lines, [])
})

t.test('a bad template is told with its place, and there is no log', async t => {
  const { log, lines } = memoryLog()
  t.same(openRequestLog({ ...wish, requestLogTemplate: 'a\n{{range .X}}' }, serving, () => {}, log).recorders, [])
  t.same(lines, [
    {
      level: 'error',
      message: 'Error setting up request logger. Request logs will be unavailable.',
      fields: { code: 'environment-invalid', error: 'template: requestLog:2:3: {{range}} is not supported' },
    },
  ])
})

t.test('what breaks otherwise is no matter of the template', async t => {
  const broken = new Proxy(serving, {
    get() {
      throw new TypeError('no')
    },
  })
  t.throws(() => openRequestLog(wish, broken, () => {}, memoryLog().log), TypeError)
})
