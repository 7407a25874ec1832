// The attesting CA, a proxy and a function as processes that trust nothing but measurements: each of the two takes the other
// for who it is by its certificate of the CA and the evidence in it, and neither takes anybody else.

import { writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { freePorts } from '../../bench/machine/place.ts'
import { toHex } from '../../src/base/bytes.ts'
import { policyDigest } from '../../src/config/policy.ts'
import { demoFunction, demoProvision, demoProxy } from '../../src/demo/enclaves.ts'
import { synthetic, syntheticProxy } from '../../src/demo/synthetic.ts'
import { syntheticRootPem } from '../../src/demo/tee.ts'
import { policyDigestOf } from '../../src/function/library.ts'
import { operator, operatorKeyPem, type Stage, startCa, unlock } from '../support/ca-process.ts'
import { callerCredential, dialled, get, saidTo } from '../support/function.ts'
import {
  ask,
  choosePorts,
  environment,
  launch,
  probe,
  repository,
  type Started,
  start,
  until,
} from '../support/process.ts'

const service = 'spiffe://c1.example.org/ns/default/svc/hello'
const other = 'spiffe://c1.example.org/ns/default/svc/other'
const measured = (enclave: { mrenclave: Uint8Array }) => [{ mrenclave: toHex(enclave.mrenclave) }]

/** What the author of the function says, but for where its evidence comes from. */
const said = (port: number, id: string) => ({
  service: id,
  clients: { enclaves: [syntheticProxy] },
  provision: { url: `https://127.0.0.1:${port}`, enclaves: measured(demoProvision()) },
})

async function prepare(t: Test): Promise<Stage> {
  const [port = 0, sidePort = 0] = await freePorts(2)
  const policy = JSON.stringify({
    version: 1,
    name: 'demo',
    service,
    identity: { source: 'provision', provision: { url: `https://127.0.0.1:${port}`, accept: 'ca' } },
    // As little as can be said: trust by service, and evidence as fresh as the CA's certificates.
    upstream: { mode: 'attested', accept: 'app', clientCertificate: true },
    peers: { app: { enclaves: measured(demoFunction()) }, ca: { enclaves: measured(demoProvision()) } },
    dangerSyntheticRoot: syntheticRootPem,
  })
  const workload = (id: string) => {
    const digest = policyDigestOf({ ...said(port, id), dangerSynthetic: synthetic() })
    return { digest, role: 'workload', service: id, accept: 'apps' }
  }
  const digest = toHex(policyDigest(Buffer.from(policy)))
  const folder = t.testdir({
    'policy.json': policy,
    'key.pem': operatorKeyPem,
    'revocations.json': JSON.stringify({ version: 1, serial: 1 }),
    'policies.json': JSON.stringify({
      version: 1,
      serial: 1,
      policies: [{ digest, role: 'proxy', service, accept: 'proxies' }, workload(service), workload(other)],
    }),
    'options.json': JSON.stringify({
      version: 1,
      name: 'demo',
      trustDomain: 'c1.example.org',
      operators: [operator],
      peers: { proxies: { enclaves: measured(demoProxy()) }, apps: { enclaves: measured(demoFunction()) } },
      dangerSyntheticRoot: syntheticRootPem,
    }),
  })
  return { file: name => `${folder}/${name}`, port, sidePort }
}

/** A function of its author's, which says what happens to it. */
function startFunction(t: Test, { file, port: ca }: Stage, id: string, port: number): Started {
  const from = (path: string): string => JSON.stringify(`${repository}src/${path}`)
  const text = `
    import { createServer } from 'node:https'
    import { attest } from ${from('function/library.ts')}
    import { synthetic } from ${from('demo/synthetic.ts')}
    const report = event => console.log(JSON.stringify(event))
    const attestation = await attest({ ...${JSON.stringify(said(ca, id))}, dangerSynthetic: synthetic(), report })
    const server = createServer(attestation.tls, (request, response) => response.end('hello from ' + ${JSON.stringify(id)}))
    attestation.protect(server).listen(${port}, '127.0.0.1', () => console.log('{"event":"listening"}'))`
  const path = file(`${id.split('/').at(-1)}.mjs`)
  writeFileSync(path, text)
  return launch(t, [process.execPath, path], { PATH: process.env['PATH'] })
}

t.test('a function and a proxy of one service, by certificates of one CA', async t => {
  const stage = await prepare(t)
  const ca = await startCa(t, stage)
  const ports = await choosePorts()
  const hello = startFunction(t, stage, service, ports.user)
  const proxy = start(t, ['proxy', '--policy', stage.file('policy.json')], { env: environment(ports), quietMs: 50 })
  await until('the function is told why', () => /issuer-unavailable: .*503: locked/.test(hello.stdout()))
  t.match(await unlock(stage), { code: 0, out: 'unlocked\n', error: '' })
  await until('the function listens', () => hello.stdout().includes('listening'), 30_000)
  await until(
    'the proxy serves',
    async () => (await probe(ports.serving).catch(() => undefined))?.status === 200,
    30_000,
  )
  t.match(ca.stdout(), new RegExp(`"uri":"${service}/workload"`))

  for (const path of ['/a', '/b']) {
    t.match(await ask(ports.tls, { path, tls: true }), { status: 200, body: `hello from ${service}` })
  }
  t.equal(await saidTo(await dialled(t, ports.user, undefined), get), '', 'who shows nothing hears nothing')
  const evidence = await callerCredential({ service })
  t.equal(await saidTo(await dialled(t, ports.user, evidence), get), '', 'nor who has evidence of a proxy alone')
  t.match(hello.stdout(), /"client-refused","reason":"chain: /)

  hello.signal('SIGKILL')
  await hello.exit
  const impostor = startFunction(t, stage, other, ports.user)
  await until('the other function listens', () => impostor.stdout().includes('listening'), 30_000)
  t.match(ca.stdout(), new RegExp(`"uri":"${other}/workload"`), 'it is as genuine as the first')
  t.match(await ask(ports.tls, { tls: true }), { status: 502, body: /service: want / })
  t.match(proxy.stdout(), /"upstream-untrusted".*"rule":"service"/)
  t.equal(impostor.stderr().replaceAll(/.*SYNTHETIC.*\n|.*trace-warnings.*\n/g, ''), '')
})
