import { createServer } from 'node:net'
import t from 'tap'
import { freePorts } from '../../bench/machine/place.ts'
import { demoPorts, requireFree } from '../../src/demo/ports.ts'
import { complaint } from '../support/outcome.ts'
import { listen } from '../support/sockets.ts'

const names = ['a', 'b', 'c']

t.test('one after another, each by its name', async t => {
  t.same(demoPorts(undefined, names), { a: 18080, b: 18081, c: 18082 })
  t.same(Object.values(demoPorts('1024', names)), [1024, 1025, 1026])
  t.same(Object.values(demoPorts('65533', names)), [65533, 65534, 65535])
})

t.test('what leaves no room is refused with what is wanted', async t => {
  for (const base of ['', '0', '1023', '65534', '99999', '-5', '1e4', ' 2000', '0x1000', '18080.5', 'x']) {
    const message = `postern demo: --port-base: want a number from 1024 to 65533, got "${base}"`
    t.equal(
      complaint(() => demoPorts(base, names)),
      message,
    )
  }
})

t.test('the first taken port is told', async t => {
  const free = await freePorts(2)
  t.equal(await requireFree(free), undefined)
  t.equal(await requireFree(free), undefined, 'and looking takes none')
  const taken = await listen(t, createServer())
  const [first = 0, second = 0] = free
  await t.rejects(requireFree([first, taken, second]), {
    code: 'bind-failed',
    message: `port ${taken} is taken: stop what holds it, or choose others with --port-base N`,
  })
})
