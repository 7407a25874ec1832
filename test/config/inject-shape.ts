import { readFileSync } from 'node:fs'
import t from 'tap'
import { injectSchema, platforms } from '../../src/config/inject-shape.ts'
import { options } from '../support/pods.ts'

t.test('the least that can be said', async t => {
  const read = options()
  t.match(read, {
    platform: 'intel',
    epc: { least: 134_217_728n, default: 268_435_456n, most: 2_147_483_648n },
    memory: { default: 536_870_912n },
    aesm: { folder: '/var/run/aesmd', userContainers: false },
    supplementalGroups: [],
    policy: null,
    mounts: [],
    optOut: true,
  })
  t.equal(read.nri, undefined)
  t.equal(options({ aesm: null }).aesm, null)
})

t.test('the published schema is that of the shape', async t => {
  const published = readFileSync(new URL('../../src/config/inject.schema.json', import.meta.url), 'utf8')
  t.same(
    JSON.parse(published),
    JSON.parse(JSON.stringify(injectSchema())),
    'stale: node src/config/schema.ts inject > src/config/inject.schema.json',
  )
  t.same(JSON.parse(published).properties.platform.enum, platforms)
})
