import t from 'tap'
import { readPolicy } from '../../src/config/policy.ts'
import { chainPem } from '../../src/identity/credential.ts'
import { makeRoot } from '../support/identity.ts'
import { complaint } from '../support/outcome.ts'

const bundle = chainPem([(await makeRoot()).certificate])
const vault = {
  url: 'https://vault.example.org:8200',
  server: { bundle },
  login: { jwt: { role: 'postern', file: '/var/run/secrets/vault/token' } },
  pki: { role: 'proxy' },
}

const policy = (identity: object): Uint8Array =>
  Buffer.from(JSON.stringify({ version: 1, name: 'mine', identity, upstream: { mode: 'plaintext' } }))
const read = (more: object = {}, identity: object = {}) =>
  readPolicy(
    policy({ source: 'vault', allowUnattestedIssuer: true, vault: { ...vault, ...more }, ...identity }),
    'mine',
  ).identity.vault

t.test('what is left out reads as the usual', async t => {
  t.match(read(), {
    host: 'vault.example.org',
    port: 8200,
    namespace: undefined,
    server: { bundle: [/^-----BEGIN CERTIFICATE/], san: 'vault.example.org' },
    login: { jwt: { mount: 'jwt', role: 'postern' } },
    pki: { mount: 'pki', role: 'proxy', names: undefined, evidence: false },
  })
  t.equal(read({ url: 'https://vault' })?.port, 443)
})

t.test('what is said counts', async t => {
  const said = {
    namespace: 'team/a',
    server: { bundle, san: 'uri:spiffe://c1.example.org/vault' },
    login: { sgx: { mount: 'auth/sgx', id: 'hello' } },
    pki: { mount: 'team/pki', role: 'proxy', names: ['a.example.org', 'spiffe://c1.example.org/a'], evidence: true },
  }
  const { bundle: _, ...server } = said.server
  const want = { ...said, server }
  t.match(read(said, { allowUnattestedIssuer: false }), want, 'and a login by evidence needs no leave')
})

const cases: [name: string, more: object, identity: object, message: RegExp][] = [
  ['an address without TLS', { url: 'http://vault' }, {}, /\/identity\/vault\/url: want https/],
  ['a path in the address', { url: 'https://vault/x' }, {}, /\/identity\/vault\/url/],
  ['credentials in the address', { url: 'https://me:secret@vault' }, {}, /\/identity\/vault\/url/],
  ['a path that climbs', { pki: { mount: '../sys', role: 'proxy' } }, {}, /\/pki\/mount/],
  ['a role with a path in it', { pki: { role: 'proxy/../x' } }, {}, /\/pki\/role/],
  ['no names at all', { pki: { role: 'proxy', names: [] } }, {}, /\/pki\/names: want at least one/],
  ['nobody to be the server', { server: {} }, {}, /\/server: want an object with bundle or accept/],
  ['a server that is no peer', { server: { accept: 'kms' } }, {}, /\/server\/accept: want a key of \/peers, got "kms"/],
  ['two ways to log in', { login: { sgx: { id: 'a' }, jwt: {} } }, {}, /\/login\/jwt: want no such key/],
  ['a relative file', { login: { jwt: { role: 'a', file: 'token' } } }, {}, /\/jwt\/file: want an absolute path/],
  [
    'a token of the host without leave',
    {},
    { allowUnattestedIssuer: false },
    /\/identity\/allowUnattestedIssuer: want true/,
  ],
  ['no part about it', {}, { vault: undefined }, /\/identity\/vault: want the server/],
  [
    'a part about it for another source',
    {},
    { source: 'self-signed' },
    /\/identity\/vault: want nothing, as source is "self-signed"/,
  ],
  [
    'leave for another source',
    {},
    { source: 'self-signed', vault: undefined },
    /\/identity\/allowUnattestedIssuer: want false/,
  ],
]
for (const [name, more, identity, message] of cases) {
  t.test(`refused: ${name}`, async t =>
    t.match(
      complaint(() => read(more, identity)),
      message,
    ),
  )
}
