// Collateral as the process has it, natively and as the enclave's bundle: fetched from services over HTTP and HTTPS,
// believed by Intel's signature alone, and no reason to stay when it is time to go.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { withKeyPem } from '../../src/identity/credential.ts'
import { type LabService, pccs, pcs, startService } from '../support/collateral-services.ts'
import { makeWorld } from '../support/collateral-world.ts'
import { makeCredential } from '../support/identity.ts'
import { choosePorts, environment, start, until } from '../support/process.ts'

const world = await makeWorld()
const numbers = () => ({ standard: 18, early: 19 })

async function run(t: Test, sources: readonly object[]) {
  const policy = join(t.testdir({}), 'policy.json')
  const upstream = { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' }
  writeFileSync(
    policy,
    JSON.stringify({
      version: 1,
      name: 'mine',
      identity: { source: 'files', dangerAcceptForeignKey: true },
      upstream,
      peers: { app: { enclaves: [{ mrenclave: 'ab'.repeat(32) }] } },
      collateral: { sources },
    }),
  )
  const proxy = start(t, ['proxy', '--policy', policy], { env: environment(await choosePorts()), quietMs: 200 })
  const told = (what: string) =>
    until(`what becomes of ${what}`, () =>
      proxy.lines().find(line => line['message'] === 'collateral not taken' && line['what'] === what),
    )
  return { proxy, told }
}

t.test('two services are asked, and what somebody else than Intel signed is not taken', async t => {
  const credential = await makeCredential({ notBefore: Date.now() - 1000, notAfter: Date.now() + 3_600_000 })
  const tls = withKeyPem(credential, ({ key, cert }) => ({ key: Buffer.from(key), cert }))
  const cache = await startService(pccs(world, Date.now, numbers), tls)
  const intel = await startService(pcs(world, Date.now, numbers))
  for (const service of [cache, intel]) t.teardown(() => service.close())
  const { proxy, told } = await run(t, [
    { kind: 'pccs', at: cache.url },
    { kind: 'pcs', at: intel.url, rootCrlAt: `${intel.url}/IntelSGXRootCA.der` },
  ])
  const { reason, inForceUntil } = await told('root-crl')
  t.match(reason, `pccs ${cache.url}: collateral-unverified: root CRL: of another issuer`)
  t.match(reason, `pcs ${intel.url}: collateral-unverified: root CRL: of another issuer`)
  t.match(inForceUntil, 'nothing is')
  await told('qe-identity')
  t.ok(cache.requests.includes('/sgx/certification/v4/rootcacrl'))
  t.ok(intel.requests.includes('/IntelSGXRootCA.der'))
  t.match(proxy.lines()[0], { message: 'Starting queue-proxy', upstream: 'attested' })
})

t.test('a service that never answers holds nobody up who is told to leave', async t => {
  const silent: LabService = await startService(pccs(world, Date.now, numbers))
  t.teardown(() => silent.close())
  silent.trouble = 'slow'
  const { proxy } = await run(t, [{ kind: 'pccs', at: silent.url }])
  await until('it is asked', () => silent.holding() >= 2)
  await until('it serves', () => proxy.stdout().includes('Starting http server main'))
  proxy.signal('SIGTERM')
  t.match(await proxy.exit, { code: 0 })
  t.notMatch(proxy.stderr(), 'still open')
})
