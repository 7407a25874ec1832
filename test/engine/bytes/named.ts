import t from 'tap'
import { namedFields } from '../../../src/engine/bytes/named.ts'
import { requestHead } from '../../support/bytes-heads.ts'

const rows: [name: string, lines: string[], named: string[] | undefined][] = [
  ['no Connection', ['X-A: 1'], undefined],
  ['an empty one', ['Connection: ,'], undefined],
  ['what nearly every head says', ['Connection: Keep-Alive, Upgrade'], undefined],
  ['a close, and no field of that name', ['Connection: close', 'Clos: 1'], undefined],
  ['a close, and a field of that name', ['Connection: close', 'Close: 1'], ['close']],
  ['names, over all lines and in any case', ['Connection: close, X-A', 'connection: te ,x-b'], ['x-a', 'te', 'x-b']],
]
for (const [name, lines, named] of rows) {
  t.test(name, async t => {
    t.same(namedFields(requestHead(lines)), named && new Set(named))
  })
}
