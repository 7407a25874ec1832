// The attesting CA, its operator and a proxy as processes that trust nothing but measurements: locked, unlocked, a
// certificate on the proxy's TLS port; and a CA that another takes the place of.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect as tlsConnect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { freePorts } from '../../bench/machine/place.ts'
import { readBinding } from '../../src/attest/binding.ts'
import { readCertificate } from '../../src/attest/certificate.ts'
import { toHex } from '../../src/base/bytes.ts'
import { policyDigest } from '../../src/config/policy.ts'
import { demoProvision, demoProxy, demoStranger } from '../../src/demo/enclaves.ts'
import { syntheticRootPem } from '../../src/demo/tee.ts'
import { operator, operatorKeyPem, run, type Stage, startCa, unlock } from '../support/ca-process.ts'
import { choosePorts, environment, probe, start, until } from '../support/process.ts'
import { startContainer } from '../support/process-inside.ts'

const service = 'spiffe://c1.example.org/ns/default/svc/hello'
const measured = (enclave: { mrenclave: Uint8Array }) => [{ mrenclave: toHex(enclave.mrenclave) }]

/** @returns with the exact bytes of the proxy's policy */
async function prepare(t: Test, ca = demoProvision()): Promise<Stage & { readonly policy: string }> {
  const [port = 0, sidePort = 0] = await freePorts(2)
  const policy = JSON.stringify({
    version: 1,
    name: 'demo',
    service,
    identity: { source: 'provision', provision: { url: `https://127.0.0.1:${port}`, accept: 'ca' } },
    upstream: { mode: 'plaintext' },
    peers: { ca: { enclaves: measured(ca) } },
    dangerSyntheticRoot: syntheticRootPem,
  })
  const folder = t.testdir({
    'policy.json': policy,
    'key.pem': operatorKeyPem,
    'revocations.json': JSON.stringify({ version: 1, serial: 1 }),
    'policies.json': JSON.stringify({
      version: 1,
      serial: 1,
      policies: [{ digest: toHex(policyDigest(Buffer.from(policy))), role: 'proxy', service, accept: 'proxies' }],
    }),
    'options.json': JSON.stringify({
      version: 1,
      name: 'demo',
      trustDomain: 'c1.example.org',
      lifetimeSeconds: 60,
      operators: [operator],
      peers: { proxies: { enclaves: measured(demoProxy()) } },
      dangerSyntheticRoot: syntheticRootPem,
    }),
  })
  return { file: name => `${folder}/${name}`, port, sidePort, policy }
}

/** The certificate that is shown on a port; undefined where none is. */
function leafOf(port: number): Promise<Uint8Array | undefined> {
  return new Promise(resolve => {
    const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    socket.once('error', () => resolve(undefined))
    socket.once('secureConnect', () => {
      resolve(new Uint8Array(socket.getPeerX509Certificate()?.raw ?? []))
      socket.destroy()
    })
  })
}

t.test('a proxy waits for the CA to be unlocked, and then shows what it has issued', async t => {
  const stage = await prepare(t)
  const ca = await startCa(t, stage)
  const ports = await choosePorts()
  await startContainer(t, ports.user)
  const names = { SERVING_NAMESPACE: 'default', SERVING_SERVICE: 'hello' }
  const proxy = start(t, ['proxy', '--policy', stage.file('policy.json')], {
    env: environment(ports, names),
    quietMs: 50,
  })
  await until('the proxy is told why', () => /503: locked/.test(proxy.stdout()))
  t.equal(await leafOf(ports.tls), undefined, 'no certificate, no handshake')

  t.match(await unlock(stage), { code: 0, out: 'unlocked\n', error: '' })
  const leaf = await until('the proxy has its certificate', () => leafOf(ports.tls))
  const certificate = readCertificate(leaf)
  t.equal(certificate.x509.subjectAltName, `DNS:kn-user-default, DNS:data-plane.knative.dev, URI:${service}/proxy`)
  t.match(readBinding(certificate), { role: 'proxy', policyDigest: toHex(policyDigest(Buffer.from(stage.policy))) })
  await until('it serves', async () => (await probe(ports.serving).catch(() => undefined))?.status === 200)

  writeFileSync(stage.file('audit.log'), ca.stdout())
  t.match(await run(['ca', 'audit', stage.file('audit.log')]), { code: 0, out: /^whole: / })
  writeFileSync(stage.file('audit.log'), ca.stdout().replace('"unlocked"', '"unlocker"'))
  t.match(await run(['ca', 'audit', stage.file('audit.log')]), { code: 1, out: /^BROKEN: / })
  t.match(await unlock({ ...stage }), { code: 0 }, 'again, for the next nonce')
  const stale = ['--statement', stage.file('statement.jws')]
  const sets = ['--policies', stage.file('policies.json'), '--revocations', stage.file('revocations.json')]
  const replayed = await run(['ca', 'unlock', '--policy', stage.file('policy.json'), ...stale, ...sets])
  t.match(replayed, { code: 1, out: /boot: want/ })

  ca.signal('SIGTERM')
  t.match(await ca.exit, { code: 0 })
  t.equal(ca.stderr(), '')
})

t.test('neither proxy nor operator says a word to a CA whose measurement is another', async t => {
  const stage = await prepare(t, demoStranger())
  const ca = await startCa(t, stage)
  const ports = await choosePorts()
  const names = { SERVING_NAMESPACE: 'default', SERVING_SERVICE: 'hello' }
  const proxy = start(t, ['proxy', '--policy', stage.file('policy.json')], {
    env: environment(ports, names),
    quietMs: 50,
  })
  await until('the proxy refuses', () => proxy.stdout().includes('certificate authority refused'))
  t.match(proxy.stdout(), /"issuer-untrusted".*mrenclave/)
  t.match(await unlock(stage), { code: 1, error: /mrenclave: want/ })
  t.notMatch(ca.stdout(), /"event":"(?:refused|issued|unlocked)"/)
  t.equal(await leafOf(ports.tls), undefined)
})

t.test('it says what is wrong with its command line and its options', async t => {
  const stage = await prepare(t)
  t.match(await run(['provision']), { code: 64, error: /--options FILE is missing/ })
  t.match(await run(['provision', '--options', stage.file('none.json')]), { code: 1, error: /no readable file/ })
  t.match(await run(['provision', '--options', stage.file('options.json'), '--port', 'x']), { code: 64, error: /port/ })
  writeFileSync(stage.file('real.json'), JSON.stringify({ ...JSON.parse('{}'), version: 1 }))
  t.match(await run(['provision', '--options', stage.file('real.json')]), {
    code: 1,
    error: /\/operators: want this key/,
  })
})

t.test('it keeps its key in no file that nothing seals', async t => {
  const stage = await prepare(t)
  const options = JSON.parse(readFileSync(stage.file('options.json'), 'utf8'))
  const write = (key: object): void => writeFileSync(stage.file('options.json'), JSON.stringify({ ...options, key }))
  const folder = stage.file('keys')
  mkdirSync(folder)
  write({ source: 'sealed', folder })
  const args = ['provision', '--options', stage.file('options.json')]
  t.match(await run(args), { code: 1, error: /source "sealed" and this is no enclave: nothing seals/ })
  t.same(readdirSync(folder), [])
  write({ source: 'sealed', folder, dangerPlainFile: true })
  const ca = await startCa(t, stage)
  t.match(ca.stdout(), /PLAIN FILE: whoever reads it is the CA/)
  t.same(readdirSync(folder), ['ca.key'])
  ca.signal('SIGTERM')
  await ca.exit
})

t.test("its enclave's file takes its options and nothing synthetic", async t => {
  const stage = await prepare(t)
  const file = fileURLToPath(new URL('../../src/enclave-provision.ts', import.meta.url))
  const options = stage.file('options.json')
  t.match(await run([], file), { code: 64, error: /^usage: / })
  t.match(await run(['--policy', options], file), { code: 64, error: /^usage: / })
  t.match(await run(['--options', options], file), { code: 1, error: /which this build does not have/ })
  const real = { ...JSON.parse(readFileSync(options, 'utf8')), name: 'acme', dangerSyntheticRoot: undefined }
  writeFileSync(options, JSON.stringify({ ...real, collateral: { sources: [{ kind: 'directory', at: '/none' }] } }))
  t.match(await run(['--options', options], file), { code: 1, error: /the CA needs an SGX enclave/ })
})
