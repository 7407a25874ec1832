import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { type Binding, readBinding } from '../../src/attest/binding.ts'
import { readCertificate } from '../../src/attest/certificate.ts'
import { makeAnswer } from '../../src/attest/challenge.ts'
import { toHex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { floorClock } from '../../src/base/floor.ts'
import { readPolicy } from '../../src/config/policy.ts'
import { measurement, syntheticRootPem } from '../../src/demo/tee.ts'
import { makeDialer } from '../../src/engine/dial.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { readAnswer } from '../../src/identity/issuance.ts'
import { IssuedBy } from '../../src/identity/issued-by.ts'
import { chooseSource } from '../../src/proxy/identity.ts'
import { connectTo } from '../../src/proxy/issued.ts'
import { evidenceJudge, makeJudge, peerJudge, type UpstreamOptions } from '../../src/proxy/upstream.ts'
import { ecKeys } from '../support/certificates.ts'
import { makePeer, makeTee, mrenclave, spkiOf } from '../support/evidence.ts'
import { hour, makeCredential } from '../support/identity.ts'
import { ask, call, caMrenclave, makeAsked, service, startCa, unlock } from '../support/provision.ts'

const rulesOf = (finding: { accepted: boolean; reasons?: readonly { rule: string }[] }): string =>
  finding.accepted ? 'accepted' : (finding.reasons ?? []).map(({ rule }) => rule).join()

const policyOf = (upstream: object = {}, identity: object = {}) =>
  readPolicy(
    Buffer.from(
      JSON.stringify({
        version: 1,
        name: 'demo',
        service,
        identity: { source: 'provision', provision: { url: 'https://127.0.0.1:1', accept: 'ca' }, ...identity },
        upstream: { mode: 'attested', trust: 'measurement', accept: 'app', ...upstream },
        peers: {
          app: { enclaves: [{ mrenclave: toHex(mrenclave) }] },
          ca: { enclaves: [{ mrenclave: toHex(caMrenclave) }] },
        },
        dangerSyntheticRoot: syntheticRootPem,
      }),
    ),
    'test',
  )

function bindingOf(leaf: Uint8Array): Binding {
  const binding = readBinding(readCertificate(leaf))
  if (!binding) throw new Error('no binding')
  return binding
}

const optionsOf = (issuedBy?: IssuedBy): UpstreamOptions => ({
  policy: policyOf(),
  policyDigest: '',
  clock: systemClock,
  own: { mrenclave: toHex(measurement('this proxy')), leafSha256s: new Set(), credential: () => undefined },
  collateral: undefined,
  issuedBy,
})

function dialerTo(port: number, accept: 'ca' | 'app' = 'ca') {
  const options = optionsOf()
  const judge = peerJudge(options, accept, 'provision')
  return makeDialer({ host: '127.0.0.1', port, clock: systemClock, judge, refused: () => {} })
}

const never = new AbortController().signal

t.test('a connection to the CA is handed over once its evidence was judged', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  const socket = await connectTo(dialerTo(running.port), 'ca', never)
  t.equal(socket.getProtocol(), 'TLSv1.3')
  socket.destroy()
})

t.test('whoever is not the CA that the policy means gets not one byte', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  const untrusted = (message: RegExp) => ({ code: 'issuer-untrusted', message })
  await t.rejects(
    connectTo(dialerTo(running.port, 'app'), 'ca', never),
    untrusted(/mrenclave: want/),
    'another enclave',
  )
  let bytes = 0
  const valid = { notBefore: Date.now() - hour, notAfter: Date.now() + hour }
  const server = createServer(
    withKeyPem(await makeCredential(valid), ({ key, cert }) => ({ key: Buffer.from(key), cert })),
  )
  server.on('secureConnection', socket => socket.on('data', data => (bytes += data.length)))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  await t.rejects(connectTo(dialerTo(port), 'ca', never), untrusted(/evidence-missing/), 'a CA without evidence')
  t.equal(bytes, 0)
  await t.rejects(connectTo(dialerTo(1), 'ca', never), { code: 'issuer-unavailable' }, 'nobody')
  await t.rejects(connectTo(dialerTo(port), 'ca', AbortSignal.abort()), { code: 'issuer-unavailable' }, 'given up')
})

t.test('the enclave that the policy means, in another role, is not the CA', async t => {
  const options = optionsOf()
  const workload = await makePeer({ claims: { role: 'workload' } })
  t.equal(rulesOf(await peerJudge(options, 'app', 'provision').judge([workload])), 'role')
})

t.test('a container counts as fresh with evidence, in a certificate of our CA, for our service', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  await unlock(running.port)
  const issuedBy = new IssuedBy(floorClock(systemClock, 0))
  const judge = makeJudge(optionsOf(issuedBy))
  if (!judge) throw new Error('this policy judges')
  const asked = await makeAsked()
  const issued = async (role: 'workload' | 'proxy') =>
    readAnswer((await call(running.port, { body: exported => ask(asked, exported, { role }) })).body)
  const workload = await issued('workload')
  t.equal(rulesOf(await judge.judge(workload.chain)), 'issuer', 'before our own certificate')
  issuedBy.learn({ bundle: workload.bundle, at: 0, binding: bindingOf(workload.chain[0]) })
  const finding = await judge.judge(workload.chain)
  t.equal(rulesOf(finding), 'accepted')
  t.equal(rulesOf(await judge.judge((await issued('proxy')).chain)), 'role-proxy')
  const selfSigned = await makePeer({ keys: asked.key, claims: { spki: spkiOf(asked.key) } })
  t.not(rulesOf(await judge.judge([selfSigned])), 'accepted', 'evidence alone is of any age')
})

t.test('with trust by service, what answers a challenge must be of our service as well', async t => {
  const policy = policyOf({ trust: 'service', freshness: 'challenge' })
  const judge = makeJudge({ ...optionsOf(new IssuedBy(floorClock(systemClock, 0))), policy })
  const keys = ecKeys()
  const leaf = await makePeer({ keys })
  const channel = new Uint8Array(32).fill(7)
  const challenge = judge?.challenge?.(leaf, () => Buffer.from(channel))
  if (!challenge) throw new Error('this policy asks')
  const answered = async (own: object): Promise<string> => {
    const claims = {
      spki: spkiOf(keys),
      role: 'workload',
      policyDigest: new Uint8Array(32),
      service,
      channels: [channel],
    }
    return rulesOf(await challenge.judge(await makeAnswer(makeTee(), { ...claims, ...own } as never)))
  }
  t.equal(await answered({}), 'accepted')
  t.equal(await answered({ service: `${service}-2` }), 'service')
  t.equal(await answered({ role: 'provision' }), 'role')
})

t.test('the source is the CA where the policy says so, for a service', async t => {
  const policy = policyOf()
  const part = { dialer: dialerTo(1), issuedBy: new IssuedBy(floorClock(systemClock, 0)) }
  const options = { policy, policyDigest: new Uint8Array(32), clock: systemClock, syntheticTee: undefined }
  const evidenceOf = (accept: string) => evidenceJudge(optionsOf(), accept)
  t.equal(chooseSource(options, makeTee(), evidenceOf, part)?.name, 'provision')
  const nameless = { ...policy, service: undefined }
  t.throws(() => chooseSource({ ...options, policy: nameless }, makeTee(), evidenceOf, part), {
    code: 'policy-invalid',
  })
  const faults: string[] = []
  const stop = new AbortController()
  const source = chooseSource(options, makeTee(), evidenceOf, part)
  for await (const _ of source?.credentials(stop.signal, fault => {
    faults.push(fault.code)
    stop.abort()
  }) ?? [])
    t.fail('no such CA')
  t.same(faults, ['issuer-unavailable'])
})
