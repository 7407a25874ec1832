import t from 'tap'
import { isNormalTraceparent, normalBaggage, normaliseTrace, normalTraceparent } from '../../src/engine/trace.ts'

const trace = '0af7651916cd43dd8448eb211c80319c'
const span = 'b7ad6b7169203331'

const parents: [name: string, value: string, written: string | undefined][] = [
  ['a sampled one stays', `00-${trace}-${span}-01`, `00-${trace}-${span}-01`],
  ['one that is not sampled stays', `00-${trace}-${span}-00`, `00-${trace}-${span}-00`],
  ['a future version becomes 00', `cc-${trace}-${span}-01-extra`, `00-${trace}-${span}-01`],
  ['version ff is none', `ff-${trace}-${span}-01`, undefined],
  ['unknown flags of version 00 are none', `00-${trace}-${span}-ff`, undefined],
  ['version 00 has no more fields', `00-${trace}-${span}-01-extra`, undefined],
  ['a trace of zeros is none', `00-${'0'.repeat(32)}-${span}-01`, undefined],
  ['a span of zeros is none', `00-${trace}-${'0'.repeat(16)}-01`, undefined],
  ['capitals are none', `00-${trace.toUpperCase()}-${span}-01`, undefined],
  ['anything else is none', 'xyz', undefined],
]

for (const [name, value, written] of parents) {
  t.test(`traceparent: ${name}`, async t => {
    t.equal(normalTraceparent(value), written)
    t.equal(isNormalTraceparent(value), written === value)
  })
}

const baggages: [name: string, value: string, written: string | undefined][] = [
  ['a pair stays', 'k1=v1', 'k1=v1'],
  ['white space goes', '  k1 = v1 , k2=v2 ', 'k1=v1,k2=v2'],
  ['properties and escapes stay', 'k1=v%20x;p=1', 'k1=v%20x;p=1'],
  ['what cannot be read is dropped beside what can', 'k1=v1, =bad', 'k1=v1'],
  ['nothing readable is nothing', '=bad, also bad', undefined],
]

for (const [name, value, written] of baggages) {
  t.test(`baggage: ${name}`, async t => {
    t.equal(normalBaggage(value), written)
  })
}

const heads: [name: string, received: string[], sent: string[]][] = [
  [
    'only the first of several tracestates goes on with a valid traceparent',
    ['Traceparent', `00-${trace}-${span}-01`, 'Tracestate', 'a=1', 'X', 'y', 'Tracestate', 'b=2'],
    ['Traceparent', `00-${trace}-${span}-01`, 'Tracestate', 'a=1', 'X', 'y'],
  ],
  [
    'a tracestate that cannot be read passes untouched',
    ['Traceparent', `00-${trace}-${span}-01`, 'Tracestate', 'a=1,,bad'],
    ['Traceparent', `00-${trace}-${span}-01`, 'Tracestate', 'a=1,,bad'],
  ],
  [
    'with an invalid traceparent everything passes untouched',
    ['Traceparent', 'nonsense', 'Tracestate', 'a=1', 'Tracestate', 'b=2'],
    ['Traceparent', 'nonsense', 'Tracestate', 'a=1', 'Tracestate', 'b=2'],
  ],
  ['several baggages become one', ['Baggage', 'a=1', 'baggage', 'b=2'], ['Baggage', 'a=1,b=2']],
  ['a head without trace context is left alone', ['A', 'b'], ['A', 'b']],
]

for (const [name, received, sent] of heads) {
  t.test(name, async t => {
    const fields = [...received]
    normaliseTrace(fields)
    t.same(fields, sent)
  })
}
