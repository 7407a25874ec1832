// The short form; by hand, for minutes: node test/soak/rotation.ts

import t from 'tap'
import { rotating } from '../support/rotation.ts'

t.test('certificates, bundle and the container change under load, and nothing fails', async t => {
  const found = await rotating({ seconds: 5, everyMs: 800, kept: 4, fresh: 2, tunnels: 2, restMs: 10 })
  t.same(found.problems, [])
  t.ok(found.requests > 50, `${found.requests} requests`)
  t.ok(found.messages > 20, `${found.messages} messages in tunnels`)
  t.ok(found.certificates >= 3, `${found.certificates} certificates of ours`)
  t.ok(found.bundles >= 3 && found.containers >= 3, `${found.bundles} bundles, ${found.containers} of the container`)
  t.ok(found.refused >= 3, `${found.refused} impostors refused`)
})
