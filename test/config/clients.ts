import t from 'tap'
import { readPolicy } from '../../src/config/policy.ts'
import { chainPem } from '../../src/identity/credential.ts'
import { makeRoot } from '../support/identity.ts'
import { complaint } from '../support/outcome.ts'

const bundle = chainPem([(await makeRoot()).certificate])
const spiffeId = 'spiffe://c1.example.org/ns/knative-serving/svc/activator'
const peers = { app: { enclaves: [{ mrenclave: '00'.repeat(32) }] } }
const read = (clients: object, inbound: object = {}, more: object = {}) =>
  readPolicy(
    Buffer.from(
      JSON.stringify({
        version: 1,
        name: 'mine',
        inbound: { clients, ...inbound },
        upstream: { mode: 'plaintext' },
        peers,
        ...more,
      }),
    ),
    'mine',
  ).inbound

t.test('rules about names, evidence, or both', async t => {
  const allow = [{ spiffeId }, { san: 'dns:gateway' }, { accept: 'app' }, { spiffeId, accept: 'app' }]
  const inbound = read({ mode: 'optional', bundle, allow }, { identityHeader: 'postern-peer' })
  t.match(inbound.clients, { mode: 'optional', bundle: [/^-----BEGIN/], allow })
  t.equal(inbound.identityHeader, 'postern-peer')
  t.match(read({ mode: 'required', allow: [{ accept: 'app' }] }).clients, { mode: 'required', bundle: [] })
})

t.test('nobody is asked where the policy does not say so', async t => {
  t.match(read({}), { clients: undefined, identityHeader: undefined })
})

t.test('TLS 1.2, which can be renegotiated, is not for them', async t => {
  const compatible = { name: 'compatible' }
  t.equal(read({}, {}, compatible).tlsFloor, 'TLSv1.2')
  t.equal(read({ mode: 'optional', allow: [{ accept: 'app' }] }, {}, compatible).tlsFloor, 'TLSv1.3')
})

const asked = { mode: 'optional', allow: [{ accept: 'app' }] }
const cases: [name: string, clients: object, inbound: object, message: RegExp][] = [
  ['nobody', { mode: 'required' }, {}, /clients\/allow: want 1 to 64 rules, got 0/],
  ['too many', { mode: 'required', allow: new Array(65).fill({ accept: 'app' }) }, {}, /1 to 64 rules, got 65/],
  ['a rule about nothing', { ...asked, allow: [{}] }, {}, /allow\/0: want spiffeId, san or accept/],
  ['a name without a CA', { ...asked, allow: [{ spiffeId }] }, {}, /clients\/bundle: want the CAs/],
  ['a CA without a name', { ...asked, bundle }, {}, /clients\/bundle: want nothing, as no rule/],
  ['no such peers', { ...asked, allow: [{ accept: 'others' }] }, {}, /allow\/0\/accept: want a key of \/peers/],
  [
    'rules that nobody is asked by',
    { allow: [{ accept: 'app' }] },
    {},
    /clients\/allow: want nothing, as mode is "none"/,
  ],
  ['a CA that nobody is asked by', { bundle }, {}, /clients\/bundle: want nothing, as mode is "none"/],
  [
    'required beside an open door',
    { ...asked, mode: 'required' },
    { plaintext: 'serve' },
    /plaintext: want "probes-only"/,
  ],
  ['a header about nobody', {}, { identityHeader: 'postern-peer' }, /identityHeader: want null/],
  [
    'a header with an underscore',
    asked,
    { identityHeader: 'postern_peer' },
    /identityHeader: want a name with hyphens/,
  ],
  [
    'a header that is another',
    asked,
    { identityHeader: 'content-length' },
    /identityHeader: want a name .* means nothing/,
  ],
  ['a header that is hop-by-hop', asked, { identityHeader: 'connection' }, /identityHeader: want a name/],
]
for (const [name, clients, inbound, message] of cases) {
  t.test(`refused: ${name}`, async t =>
    t.match(
      complaint(() => read(clients, inbound)),
      message,
    ),
  )
}
