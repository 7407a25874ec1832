import { readFileSync } from 'node:fs'
import t from 'tap'

t.test('the published schema is that of the shape', async t => {
  const printed = t.capture(process.stdout, 'write', () => true)
  await import('../../src/config/schema.ts')
  const text = printed()
    .map(call => String(call.args[0]))
    .join('')
  const published = readFileSync(new URL('../../src/config/policy.schema.json', import.meta.url), 'utf8')
  t.same(JSON.parse(published), JSON.parse(text), 'stale: node src/config/schema.ts > src/config/policy.schema.json')
})
