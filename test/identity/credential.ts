import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import t from 'tap'
import { type Credential, chainPem, checkCredential, toCredential, withKeyPem } from '../../src/identity/credential.ts'
import { generateKey, issue } from '../../src/identity/x509.ts'
import { dates, hour, makeCredential, makeIntermediate, makeRoot, start } from '../support/identity.ts'

async function chained(): Promise<Credential> {
  const root = await makeRoot()
  const middle = await makeIntermediate(root)
  const key = generateKey()
  const leaf = await issue({ ...dates, subject: { commonName: 'leaf' }, issuer: middle, publicKey: key.publicKey })
  return toCredential([leaf, middle.certificate, root.certificate], key.privateKey, 'enclave')
}

t.test('a good credential passes, alone and with its chain', async t => {
  const credential = await chained()
  t.equal(credential.notBefore, dates.notBefore)
  t.equal(credential.notAfter, dates.notAfter)
  checkCredential(credential, start)
  checkCredential(await makeCredential(), start)
  checkCredential(credential, dates.notBefore)
  checkCredential(credential, dates.notAfter - 1)
})

t.test('what cannot be shown is refused', async t => {
  const good = await chained()
  const [leaf, middle, root] = good.chain
  if (!middle || !root) throw new Error('unreachable')
  const early = await makeCredential({ notBefore: start + hour })
  const foreign = await makeIntermediate(await makeRoot())
  const ended = await makeIntermediate(await makeRoot(), 'ended', { notAfter: start - 1000 })
  const key = generateKey()
  const below = await issue({ ...dates, subject: { commonName: 'leaf' }, issuer: ended, publicKey: key.publicKey })
  const cases: [name: string, credential: Credential, message: RegExp, at?: number][] = [
    ['another key', { ...good, key: generateKey().privateKey }, /key does not fit/],
    ['a public key', { ...good, key: createPublicKey(good.key) }, /want a private key/],
    ['dates that are not the leaf’s', { ...good, notAfter: good.notAfter + 1 }, /dates are not/],
    ['too early', early, /certificate 0 is not valid before 2026-01-01T01:00:00/],
    ['too late', good, /certificate 0 expired/, dates.notAfter],
    [
      'an expired intermediate',
      toCredential([below, ended.certificate], key.privateKey, 'enclave'),
      /certificate 1 exp/,
    ],
    ['a foreign intermediate', { ...good, chain: [leaf, foreign.certificate] }, /0 is not signed by certificate 1/],
    ['out of order', { ...good, chain: [leaf, root, middle] }, /0 is not signed by certificate 1/],
    ['no certificate', { ...good, chain: [Buffer.from('hello')] }, /not a certificate/],
    ['bytes behind the certificate', { ...good, chain: [Buffer.concat([leaf, Buffer.of(0)])] }, /not a certificate/],
    ['a chain without end', { ...good, chain: [leaf, ...new Array<Uint8Array>(8).fill(middle)] }, /at most 8, got 9/],
  ]
  for (const [name, credential, message, at = start] of cases) {
    t.throws(() => checkCredential(credential, at), { code: 'credential-invalid', message }, name)
  }
  t.throws(() => toCredential([Buffer.of(1)], good.key, 'file'), { code: 'credential-invalid' })
})

t.test('what OpenSSL would not serve is refused before a listener has it', async t => {
  const { spawnSync } = await import('node:child_process')
  const args = [
    'req',
    '-x509',
    '-newkey',
    'rsa:1024',
    '-nodes',
    '-days',
    '30000',
    '-subj',
    '/CN=a',
    '-keyout',
    '-',
    '-out',
    '-',
  ]
  const run = spawnSync('openssl', args, { encoding: 'utf8' })
  if (run.error || run.status !== 0) {
    t.comment('no openssl on this machine: nothing to refuse')
    return
  }
  const [, text = ''] = /-----BEGIN CERTIFICATE-----([^-]+)/.exec(run.stdout) ?? []
  const key = createPrivateKey(run.stdout)
  const credential = toCredential([Buffer.from(text, 'base64')], key, 'file')
  t.throws(() => checkCredential(credential, Date.now()), { message: /TLS library refuses/ })
})

t.test('the key passes as PEM that TLS takes, and is zeroed, also when its user throws', async t => {
  const credential = await chained()
  const seen: Buffer[] = []
  const expected = credential.key.export({ type: 'pkcs8', format: 'pem' })
  const context = withKeyPem(credential, ({ key, cert }) => {
    seen.push(key)
    t.equal(key.toString(), expected)
    t.equal(cert.match(/BEGIN CERTIFICATE/g)?.length, 3)
    return createSecureContext({ key, cert })
  })
  t.ok(context.context)
  t.throws(
    () =>
      withKeyPem(credential, ({ key }) => {
        seen.push(key)
        throw new Error('no')
      }),
    { message: 'no' },
  )
  t.equal(seen.length, 2)
  for (const key of seen) t.ok(key.every(byte => byte === 0))
})

t.test('PEM of keys of every length is the one that Node writes', async t => {
  const certificate = (await makeCredential()).chain
  for (const { privateKey: key } of [
    generateKeyPairSync('ed25519'),
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('ec', { namedCurve: 'P-521' }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ]) {
    const credential: Credential = { chain: certificate, key, keyOrigin: 'file', notBefore: 0, notAfter: 0 }
    const wanted = key.export({ type: 'pkcs8', format: 'pem' })
    t.equal(
      withKeyPem(credential, pem => pem.key.toString()),
      wanted,
    )
  }
})

t.test('chains become PEM that reads back, whatever stands inside the certificate', async t => {
  // A quote holds a PEM chain; a reader that looks for PEM first would find this one.
  const bait = Buffer.from(`${chainPem((await makeCredential({ subject: { commonName: 'bait' } })).chain)}\0`)
  const extensions = [{ oid: '2.23.133.5.4.9', value: bait }]
  const credential = await makeCredential({ subject: { commonName: 'real' }, extensions })
  checkCredential(credential, start)
  const pem = chainPem(credential.chain)
  t.match(new X509Certificate(pem).subject, /real/)
  t.equal(pem, new X509Certificate(pem).toString())
})
