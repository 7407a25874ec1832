// What looking at a request's target and Host costs.
// node bench/micro/base/target.ts [--json]

import { headProblem, parseTarget, validHost } from '../../../src/base/target.ts'
import { time } from '../harness.ts'

const long = `/api/v1/things/${'a1-'.repeat(40)}?q=${'x%20'.repeat(40)}`

time([
  { name: 'parseTarget, /', run: () => parseTarget('GET', '/') },
  { name: 'parseTarget, a long one with a query', run: () => parseTarget('GET', long) },
  { name: 'validHost', run: () => validHost('hello.default.example.com') },
  { name: 'headProblem', run: () => headProblem('1.1', ['hello.default.example.com']) },
])
