// The soak (test/soak/engine.ts) for some seconds: long enough for every kind of request and a few restarts of the
// container, too short to say anything about memory.

import t, { type Test } from 'tap'
import { type SoakOptions, soak } from '../soak/run.ts'

const short: SoakOptions = {
  seconds: 8,
  requests: 20_000,
  visitors: 12,
  restMs: 20,
  restartSeconds: 2,
  attested: false,
  engine: 'bytes',
  drain: false,
}

async function holds(t: Test, options: SoakOptions): Promise<void> {
  const { requests, restarts, ends, problems } = await soak(t, options)
  t.same(problems, [])
  t.ok(requests > 0 && restarts > 0, `${requests} requests, ${restarts} restarts`)
  t.ok(ends['get: answered'], 'and answers came')
}

t.test('everything goes wrong for some seconds, and every answer belongs to its request', t => holds(t, short))

t.test('so it does between TLS and an attested container', t => holds(t, { ...short, attested: true }))
