import { createServer } from 'node:https'
import t, { type Test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { readPolicy } from '../../../src/config/policy.ts'
import { Client } from '../../../src/demo/provision/client.ts'
import { measurement, syntheticRootPem } from '../../../src/demo/tee.ts'
import { type Credential, toCredential, withKeyPem } from '../../../src/identity/credential.ts'
import { readAnswer } from '../../../src/identity/issuance.ts'
import { ask, call, caMrenclave, makeAsked, service, startCa, unlock } from '../../support/provision.ts'
import { listen } from '../../support/sockets.ts'

const policyFor = (port: number, ca = caMrenclave, of = service) =>
  readPolicy(
    Buffer.from(
      JSON.stringify({
        version: 1,
        name: 'demo',
        service: of,
        identity: { source: 'provision', provision: { url: `https://127.0.0.1:${port}`, accept: 'ca' } },
        upstream: { mode: 'plaintext' },
        peers: { ca: { enclaves: [{ mrenclave: toHex(ca) }] } },
        dangerSyntheticRoot: syntheticRootPem,
      }),
    ),
    'test',
  )

/** A CA, and a server with a certificate of its making. */
async function issued(t: Test, role: 'proxy' | 'workload' = 'proxy') {
  const ca = await startCa()
  t.teardown(() => ca.drain())
  await unlock(ca.port)
  const asked = await makeAsked()
  const { body } = await call(ca.port, { body: exported => ask(asked, exported, { role }) })
  const { chain } = readAnswer(body)
  return { ca, port: await serve(t, toCredential(chain, asked.key.privateKey, 'enclave')) }
}

function serve(t: Test, credential: Credential): Promise<number> {
  const server = withKeyPem(credential, pem => createServer(pem, (_message, response) => response.end('hello')))
  server.on('tlsClientError', () => {})
  return listen(t, server)
}

t.test(
  'what the CA has issued to a proxy of the namespace is accepted, once the CA has shown its evidence',
  async t => {
    const { ca, port } = await issued(t)
    const client = new Client(port, policyFor(ca.port))
    await t.rejects(client.ask(), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }, 'nobody is trusted before')
    t.same(await client.learn(), { anchors: 1 })
    const seen = await client.ask()
    t.match(seen, {
      status: 200,
      names: 'kn-user-shop, data-plane.knative.dev',
      organization: 'SYNTHETIC, NOT ATTESTED',
    })
    t.ok((seen.notAfter ?? 0) > Date.now())
    const agent = client.agent(true)
    t.ok((await client.ask(agent)).leaf)
    t.equal((await client.ask(agent)).leaf, undefined, 'on the same connection')
    agent.destroy()
  },
)

t.test('a CA with another measurement is asked nothing', async t => {
  const { ca, port } = await issued(t)
  const client = new Client(port, policyFor(ca.port, measurement('somebody else')))
  await t.rejects(client.learn(), { code: 'issuer-untrusted', message: /mrenclave/ })
  await t.rejects(client.ask(), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' })
})

t.test('neither another namespace nor a container is taken for the proxy', async t => {
  const { ca, port } = await issued(t)
  const elsewhere = new Client(port, policyFor(ca.port, caMrenclave, service.replace('/ns/shop/', '/ns/other/')))
  await elsewhere.learn()
  await t.rejects(elsewhere.ask(), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  const container = await issued(t, 'workload')
  const client = new Client(container.port, policyFor(container.ca.port))
  await client.learn()
  await t.rejects(client.ask(), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
})
