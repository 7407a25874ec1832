// The process, as a pod or an enclave has it, with a certificate that a (fake) Vault signed: shown to a client that trusts
// nothing but Vault's root, and asked for over a connection of the enclave's own making.

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { chainPem } from '../../src/identity/credential.ts'
import { generateKey } from '../../src/identity/x509.ts'
import { startContainer } from '../support/engine-containers.ts'
import { makeRoot } from '../support/identity.ts'
import { choosePorts, environment, startServing, stopAtOnce } from '../support/process.ts'
import { FakeVault, makeJwt } from '../support/vault.ts'

t.test('a certificate of Vault', async t => {
  const jwt = generateKey()
  const vault = await FakeVault.open({ jwtKey: jwt.publicKey, clientCa: await makeRoot() })
  t.teardown(() => vault.close())
  const folder = t.testdir({})
  const secret = makeJwt(jwt.privateKey)
  const file = join(folder, 'token')
  writeFileSync(file, secret)
  const policy = join(folder, 'policy.json')
  const document = {
    version: 1,
    name: 'mine',
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
    inbound: { plaintext: 'serve' },
    upstream: { mode: 'plaintext' },
  }
  writeFileSync(policy, JSON.stringify(document))
  const ports = await choosePorts()
  // What Vault's own tools would listen to has no say.
  const env = { VAULT_ADDR: 'https://127.0.0.1:1', VAULT_SKIP_VERIFY: 'true', HTTPS_PROXY: 'http://127.0.0.1:1' }
  const container = await startContainer(ports.user, undefined)
  t.teardown(() => container.close())
  const started = await startServing(t, policy, environment(ports, env))
  const name = 'data-plane.knative.dev'
  const ca = chainPem([vault.root.certificate])
  const socket = connect({ host: '127.0.0.1', port: ports.tls, servername: name, ca })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  t.equal(socket.getPeerX509Certificate()?.subjectAltName, `DNS:${name}`)
  const installed = started.lines().find(line => line['message'] === 'certificate installed')
  t.match(installed, { source: 'vault', attested: false, keyOrigin: 'enclave' })
  t.match(started.stdout(), 'identity.allowUnattestedIssuer', 'which is told as a weakness')
  t.notMatch(started.stdout() + started.stderr(), secret)
  t.notMatch(started.stdout() + started.stderr(), 'hvs.')
  await stopAtOnce(started)
})
