import t from 'tap'
import { StartUp } from '../../src/base/startup.ts'

function at(...times: number[]): StartUp {
  return new StartUp(() => times.shift() ?? Number.NaN)
}

t.test('each phase has the time since the one before, in a fixed order', async t => {
  const start = at(30, 45.04, 50)
  start.done('import')
  start.done('configuration')
  start.done('ready')
  t.same(Object.entries(start.end()), [
    ['import', 30],
    ['configuration', 15],
    ['ready', 5],
    ['total', 50],
  ])
})

t.test('parts of one phase add up, and one may have ended before it could be said', async t => {
  const start = at(30, 40, 60)
  start.done('runtime', 20)
  start.done('import')
  start.done('configuration')
  start.done('import')
  t.same(start.end(), { runtime: 20, import: 30, configuration: 10, total: 60 })
})

t.test('a certificate that is renewed later belongs to no start', async t => {
  const start = at(10, 20)
  start.done('key')
  start.end()
  start.done('key')
  t.same(start.end(), { key: 10, total: 10 })
})

t.test('the container is ready once, and not before us', async t => {
  const start = at(10, 20, 45.04, 60)
  start.done('ports')
  t.equal(start.appReady(), undefined)
  start.done('ready')
  start.end()
  t.same(start.appReady(), { app: 25, total: 45 })
  t.equal(start.appReady(), undefined)
})

t.test('it counts from the birth of the process', async t => {
  const before = performance.now()
  const start = new StartUp()
  start.done('ready')
  const { total = 0 } = start.end()
  t.ok(total >= Math.floor(before) && total <= performance.now() + 1, `${total}`)
})
