import t from 'tap'
import { type Level, type LineFormat, makeLog } from '../../src/base/log.ts'
import { FakeClock } from '../support/clock.ts'

function make(level: Level = 'debug') {
  const clock = new FakeClock(Date.UTC(2026, 0, 2, 3, 4, 5, 678))
  const written: string[] = []
  const common = { 'knative.dev/pod': 'p' }
  return { clock, written, log: makeLog({ level, common, clock, write: line => written.push(line) }) }
}

t.test('a line is one JSON object with the keys of the Go proxy, in their order', async t => {
  const { log, written } = make()
  log.info('listening', { port: 8012 })
  t.same(written, [
    '{"severity":"info","timestamp":"2026-01-02T03:04:05.678Z","logger":"queueproxy","message":"listening",' +
      '"knative.dev/pod":"p","port":8012}\n',
  ])
})

t.test('whatever is in a field, a line stays one line', async t => {
  const { log, written } = make()
  log.info('a\nb', { text: 'c\r\nd\u2028"' })
  t.equal(written.length, 1)
  t.equal(written[0]?.indexOf('\n'), (written[0]?.length ?? 0) - 1)
  t.match(JSON.parse(written[0] ?? ''), { message: 'a\nb', text: 'c\r\nd\u2028"' })
})

const levels: Level[] = ['debug', 'info', 'warn', 'error', 'fatal']
for (const [i, level] of levels.entries()) {
  t.test(`level ${level} writes ${levels.slice(i).join(', ')}`, async t => {
    const { log, written } = make(level)
    for (const each of levels) log[each]('x')
    t.same(
      written.map(line => JSON.parse(line).severity),
      levels.slice(i),
    )
  })
}

t.test('of one message a hundred lines a second are written, then every hundredth', async t => {
  const { log, written, clock } = make()
  for (let i = 0; i < 350; i++) log.warn('again')
  t.equal(written.length, 102)
  log.warn('another')
  log.error('again')
  t.equal(written.length, 104, 'other messages and levels are counted apart')
  clock.advance(1000)
  for (let i = 0; i < 100; i++) log.warn('again')
  t.equal(written.length, 204, 'each second starts anew')
})

t.test('what ends the process is always written', async t => {
  const { log, written } = make()
  for (let i = 0; i < 150; i++) log.fatal('x')
  t.equal(written.length, 150)
})

const keys = { level: 'L', time: 'T', name: 'N', caller: 'C', message: 'M' }
const formats: [name: string, format: Partial<LineFormat>, level: Level, expected: Record<string, unknown>][] = [
  ['keys have the names that the configuration gives them', {}, 'info', { L: 'info', N: 'x', M: 'm' }],
  ['levels in capitals', { levelEncoder: 'upper' }, 'warn', { L: 'WARN' }],
  ['levels as Google Cloud names them', { levelEncoder: 'zapdriver' }, 'warn', { L: 'WARNING' }],
  ['the end of the process is an emergency there', { levelEncoder: 'zapdriver' }, 'fatal', { L: 'EMERGENCY' }],
  ['ISO 8601', { timeEncoder: 'iso8601' }, 'info', { T: '2026-01-02T03:04:05.670Z' }],
  ['RFC 3339 to the second', { timeEncoder: 'rfc3339' }, 'info', { T: '2026-01-02T03:04:05Z' }],
  ['RFC 3339 without needless zeros', { timeEncoder: 'rfc3339nano' }, 'info', { T: '2026-01-02T03:04:05.67Z' }],
  ['milliseconds', { timeEncoder: 'millis' }, 'info', { T: 1767323045670 }],
  ['nanoseconds', { timeEncoder: 'nanos' }, 'info', { T: 1767323045670e6 }],
  ['seconds', { timeEncoder: 'epoch' }, 'info', { T: 1767323045.67 }],
  ['a line says which line of which file wrote it', {}, 'info', { C: /^base\/log\.ts:\d+$/ }],
]

for (const [name, given, level, expected] of formats) {
  t.test(name, async t => {
    const written: string[] = []
    const format: LineFormat = { keys, levelEncoder: 'lower', timeEncoder: 'iso8601', logger: 'x', ...given }
    const clock = new FakeClock(Date.UTC(2026, 0, 2, 3, 4, 5, 670))
    const log = makeLog({ level: 'debug', common: {}, clock, format, write: line => written.push(line) })
    log[level]('m')
    t.match(JSON.parse(written[0] ?? ''), expected)
  })
}

t.test('a key without a name is left out', async t => {
  const written: string[] = []
  const none = { level: '', time: '', name: '', caller: '', message: '' }
  const format: LineFormat = { keys: none, levelEncoder: 'lower', timeEncoder: 'iso8601', logger: 'x' }
  const log = makeLog({ level: 'info', common: {}, clock: new FakeClock(), format, write: line => written.push(line) })
  log.info('m', { a: 1 })
  t.same(written, ['{"a":1}\n'])
})
