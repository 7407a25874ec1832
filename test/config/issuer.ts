import t from 'tap'
import { readPolicy } from '../../src/config/policy.ts'
import { complaint } from '../support/outcome.ts'

const ca = { enclaves: [{ mrenclave: 'ab'.repeat(32) }] }
const provision = { url: 'https://provision.postern.svc:8443', accept: 'ca' }
const policy = (identity: object, more: object = {}) =>
  Buffer.from(
    JSON.stringify({ version: 1, name: 'mine', identity, upstream: { mode: 'plaintext' }, peers: { ca }, ...more }),
  )

t.test('the CA as host, port and those whom it may be', async t => {
  const { identity } = readPolicy(policy({ source: 'provision', provision }), 'mine')
  t.match(identity, {
    source: 'provision',
    issuer: { host: 'provision.postern.svc', port: 8443, accept: 'ca' },
  })
  const at = (url: string) => readPolicy(policy({ source: 'provision', provision: { url, accept: 'ca' } }), 'mine')
  t.match(at('https://[::1]').identity.issuer, { host: '::1', port: 443 })
  t.equal(readPolicy(policy({}), 'mine').identity.issuer, undefined)
})

t.test('with it, evidence may be as fresh as its certificates', async t => {
  const upstream = { mode: 'attested', trust: 'measurement', accept: 'ca' }
  t.match(readPolicy(policy({ source: 'provision', provision }, { upstream }), 'mine').upstream, {
    freshness: 'issued',
  })
})

const refused: [name: string, identity: object, want: RegExp, more?: object][] = [
  ['no CA', { source: 'provision' }, /\/identity\/provision: want url and accept/],
  ['a CA that nobody asks', { provision }, /\/identity\/provision: want nothing, as source is "self-signed"/],
  ['a CA of no peers', { source: 'provision', provision }, /provision\/accept: want a key of \/peers/, { peers: {} }],
  [
    'a CA that nobody may be',
    { source: 'provision', provision },
    /provision\/accept: want peers with an enclave/,
    { peers: { ca: { enclaves: [] } } },
  ],
  [
    'a path',
    { source: 'provision', provision: { ...provision, url: 'https://a/b' } },
    /provision\/url: want https:\/\/host/,
  ],
]

for (const [name, identity, want, more] of refused) {
  t.test(`${name} is refused`, async t => {
    t.match(
      complaint(() => readPolicy(policy(identity, more), 'mine')),
      want,
    )
  })
}
