// What rewriting heads costs: a request of ten fields as the activator sends it, and a small response.
// node bench/micro/engine/rewrite.ts [--json]

import { forwardedShim, requestFields, responseFields } from '../../../src/engine/rewrite.ts'
import { requestHeaders } from '../../requests.ts'
import { time } from '../harness.ts'

const request = requestHeaders.flat()
const response = ['Content-Type', 'application/json', 'Content-Length', '105', 'Date', 'Thu, 01 Jan 2026 00:00:00 GMT']
const rules = { peer: '10.244.0.9', authority: '127.0.0.1:8080', strip: new Set<string>() }
const stripping = { ...rules, strip: new Set(['client-cert', 'client-cert-chain', 'x-forwarded-client-cert']) }

time([
  { name: 'requestFields, nothing stripped', run: () => requestFields(request, rules) },
  { name: 'requestFields, three names stripped', run: () => requestFields(request, stripping) },
  { name: 'forwardedShim', run: () => forwardedShim(request) },
  { name: 'responseFields', run: () => responseFields(response) },
])
