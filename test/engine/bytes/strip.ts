import t from 'tap'
import { Strip } from '../../../src/engine/bytes/strip.ts'
import { requestHead } from '../../support/bytes-heads.ts'

const strip = new Strip(['x-secret', 'forwarded', 'x-forwarded-for'])
const gone = (name: string): boolean => strip.has(requestHead([`${name}: 1`]), 0)

t.test('a field goes in every spelling of its name', async t => {
  for (const name of [
    'X-Secret',
    'x-secret',
    'X_Secret',
    'x_SECRET',
    'Forwarded',
    'X-Forwarded-For',
    'x_forwarded-for',
  ]) {
    t.ok(gone(name), name)
  }
})

t.test('others stay, of the same length too', async t => {
  for (const name of ['X-Secrets', 'X-Secreu', 'Secret', 'X-Forwarded-Host', 'Host', 'Accepted1'])
    t.notOk(gone(name), name)
})

t.test('the list is known by name', async t => {
  t.ok(strip.names('x-secret'))
  t.notOk(strip.names('connection'))
  t.notOk(new Strip([]).has(requestHead(['A: 1']), 0))
})
