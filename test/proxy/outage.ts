// The whole role, and an issuer that goes away: what stands is shown to its end, then nobody is told that we are ready, and
// when the issuer is back so are we.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { chainPem } from '../../src/identity/credential.ts'
import { generateKey } from '../../src/identity/x509.ts'
import { startContainer } from '../support/engine-containers.ts'
import { startRole } from '../support/engine-role.ts'
import { makeRoot } from '../support/identity.ts'
import { until } from '../support/process.ts'
import { FakeVault, makeJwt } from '../support/vault.ts'

const jwt = generateKey()

t.test('Vault goes away and comes back', async t => {
  const vault = await FakeVault.open({ jwtKey: jwt.publicKey, clientCa: await makeRoot() })
  t.teardown(() => vault.close())
  const folder = t.testdir({})
  const file = join(folder, 'token')
  const secret = makeJwt(jwt.privateKey)
  writeFileSync(file, secret)
  // Half a minute of it is over when it comes.
  vault.twist = { lifeMs: 6_000 }
  const policy = JSON.stringify({
    version: 1,
    name: 'outage',
    inbound: { plaintext: 'probes-only' },
    identity: {
      source: 'vault',
      allowUnattestedIssuer: true,
      vault: {
        url: `https://localhost:${vault.port}`,
        server: { bundle: chainPem([vault.serverCa.certificate]) },
        login: { jwt: { role: 'postern', file } },
        pki: { role: 'proxy' },
      },
    },
    upstream: { mode: 'plaintext' },
  })
  const role = await startRole(t, policy, true)
  const container = await startContainer(role.userPort, undefined)
  t.teardown(() => container.close())
  t.match(await role.ask('/'), { status: 200, body: 'hello' })
  t.match(await role.probe(), { status: 200 })

  vault.mood = 'sealed'
  await until('a renewal has failed', () => role.lines.some(line => line.includes('Vault is sealed')), 15_000)
  t.match(await role.ask('/'), { status: 200 }, 'what stands is shown')
  await until('it is over', () => role.lines.some(line => line.includes('credential-expired')), 15_000)
  t.match(await role.probe(), { status: 503, body: 'certificate expired: issuer-unavailable\n' })
  await t.rejects(role.ask('/'), 'nothing is shown any more')
  const line = role.lines.find(each => each.includes('credential-expired')) ?? ''
  t.match(line, 'status 503: Vault is sealed', 'the log has the reason')

  vault.revokeTokens()
  vault.twist = {}
  vault.mood = 'good'
  await until('it is back', async () => (await role.probe()).status === 200, 15_000)
  t.match(await role.ask('/'), { status: 200, body: 'hello' })
  const said = role.lines.join('\n')
  t.notMatch(said, secret)
  t.notMatch(said, 'hvs.token')
})
