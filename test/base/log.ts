import t from 'tap'
import { type Level, makeLog } from '../../src/base/log.ts'
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
