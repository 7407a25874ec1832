import { createHash, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import t from 'tap'
import { readRequest } from '../../src/attest/csr.ts'
import { toHex } from '../../src/base/bytes.ts'
import type { Parsed } from '../../src/cli/args.ts'
import { checkAudit, showBundle, showRequest, showState, signStatement, unlock } from '../../src/cli/ca.ts'
import { verifyJws } from '../../src/config/signed/jws.ts'
import { syntheticRootPem } from '../../src/demo/tee.ts'
import { chainPem, withKeyPem } from '../../src/identity/credential.ts'
import { issue } from '../../src/identity/x509.ts'
import { statementType } from '../../src/provision/lock.ts'
import { mrenclave } from '../support/evidence.ts'
import { makeCredential, makeRoot } from '../support/identity.ts'
import { caMrenclave, makeOptions, operator, policySet, revocationSet, startCa } from '../support/provision.ts'

const files = new Map<string, string>([
  ['policies.json', policySet()],
  ['revocations.json', revocationSet()],
  ['key.pem', String(operator.privateKey.export({ type: 'pkcs8', format: 'pem' }))],
])
let out = ''
let warned = ''
const io = {
  readFile: (path: string): Uint8Array => {
    const text = files.get(path)
    if (text === undefined) throw Object.assign(new Error('no'), { code: 'ENOENT' })
    return Buffer.from(text)
  },
  write: (text: string): void => {
    out += text
  },
  warn: (text: string): void => {
    warned += text
  },
  now: () => Date.now(),
}
const parsed = (values: Record<string, string>, positionals: string[] = []): Parsed => ({
  verb: 'ca',
  values,
  positionals,
})
const sets = { policies: 'policies.json', revocations: 'revocations.json' }

const policyFor = (port: number, measured: Uint8Array = caMrenclave, more: object = {}): string =>
  JSON.stringify({
    version: 1,
    name: 'demo',
    identity: { source: 'provision', provision: { url: `https://127.0.0.1:${port}`, accept: 'ca' } },
    upstream: { mode: 'plaintext' },
    peers: { ca: { enclaves: [{ mrenclave: toHex(measured) }] } },
    dangerSyntheticRoot: syntheticRootPem,
    ...more,
  })

async function said(run: () => Promise<number>): Promise<{ code: number; out: string }> {
  out = ''
  const code = await run()
  return { code, out }
}

t.test('state, statement and unlocking go together', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  files.set('policy.json', policyFor(running.port))
  const state = await said(() => showState(parsed({ policy: 'policy.json' }), io))
  t.match(JSON.parse(state.out), { locked: true })
  const bundle = await said(() => showBundle(parsed({ policy: 'policy.json' }), io))
  t.match(bundle, { code: 0, out: /^-----BEGIN CERTIFICATE-----\n/ })
  const spki = new X509Certificate(bundle.out).publicKey.export({ type: 'spki', format: 'der' })
  t.equal(JSON.parse(state.out).ca, createHash('sha256').update(spki).digest('hex'), 'both speak of one key')
  files.set('state.json', state.out)
  const asked = { state: 'state.json', ...sets, key: 'key.pem' }
  const { out: statement } = await said(() => signStatement(parsed({ ...asked, kid: 'ops-1' }), io))
  t.ok(verifyJws(statement.trim(), [{ kid: 'ops-1', jwk: operator.jwk }], statementType))
  files.set('statement.jws', statement)
  const giving = { policy: 'policy.json', statement: 'statement.jws', ...sets }
  t.same(await said(() => unlock(parsed(giving), io)), { code: 0, out: 'unlocked\n' })
  t.match(await said(() => unlock(parsed(giving), io)), { code: 1, out: /boot: want/ })
  files.set('audit.log', running.lines.join(''))
  t.match(await said(() => checkAudit(parsed({}, ['audit.log']), io)), { code: 0, out: /^whole: 3 lines/ })
  files.set('audit.log', running.lines.slice(1).join(''))
  t.match(await said(() => checkAudit(parsed({}, ['audit.log']), io)), { code: 1, out: /^BROKEN/ })
})

t.test("the CA's request goes to whoever has the root, and what comes back into the statement", async t => {
  const root = await makeRoot('root', { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 })
  const running = await startCa({ options: makeOptions({ root: chainPem([root.certificate]) }) })
  t.teardown(() => running.drain())
  files.set('policy.json', policyFor(running.port))
  warned = ''
  const { out: request } = await said(() => showRequest(parsed({ policy: 'policy.json' }), io))
  files.set('state.json', (await said(() => showState(parsed({ policy: 'policy.json' }), io))).out)
  t.match(request, /^-----BEGIN CERTIFICATE REQUEST-----\n/)
  const { ca } = JSON.parse(String(files.get('state.json')))
  t.equal(warned, `the request of the CA whose key is ${ca}\n`)
  const { spki } = readRequest(new Uint8Array(Buffer.from(request.replaceAll(/-----[A-Z ]+-----/g, ''), 'base64')))
  const publicKey = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  const valid = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_000_000 }
  const subject = { commonName: 'below' }
  files.set('ca.pem', chainPem([await issue({ ...valid, subject, publicKey, issuer: root, ca: {} })]))
  const asked = { state: 'state.json', ...sets, key: 'key.pem', kid: 'ops-1' }
  const giving = { policy: 'policy.json', statement: 'statement.jws', ...sets }
  const statement = async (more: Record<string, string> = {}): Promise<void> => {
    files.set('statement.jws', (await said(() => signStatement(parsed({ ...asked, ...more }), io))).out)
  }
  await statement()
  t.match(await said(() => unlock(parsed(giving), io)), { code: 1, out: /chain: want the certificate that the root/ })
  await statement({ chain: 'ca.pem' })
  t.match(await said(() => unlock(parsed(giving), io)), { code: 1, out: /chain: want the hash/ })
  t.same(await said(() => unlock(parsed({ ...giving, chain: 'ca.pem' }), io)), { code: 0, out: 'unlocked\n' })
})

t.test('who is not the CA that the policy means is told nothing', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  const state = (policy: string): Promise<number> => {
    files.set('policy.json', policy)
    return showState(parsed({ policy: 'policy.json' }), io)
  }
  await t.rejects(state(policyFor(running.port, mrenclave)), { code: 'issuer-untrusted', message: /mrenclave/ })
  const bundle = said(() => showBundle(parsed({ policy: 'policy.json' }), io))
  await t.rejects(bundle, { code: 'issuer-untrusted', message: /mrenclave/ })
  t.equal(out, '')
  await t.rejects(state(policyFor(1)), { code: 'issuer-unavailable', message: /ECONNREFUSED/ })
  const own = { identity: {}, peers: {} }
  await t.rejects(state(policyFor(1, mrenclave, own)), { code: 'usage', message: /source "provision"/ })
  const server = createServer(socket => socket.destroy()).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  await t.rejects(state(policyFor(port)), { code: 'issuer-unavailable' })
  let bytes = 0
  const plain = withKeyPem(await makeCredential(), ({ key, cert }) => createTlsServer({ key: Buffer.from(key), cert }))
  plain.on('secureConnection', socket => socket.on('data', data => (bytes += data.length)))
  await new Promise<void>(resolve => plain.listen(0, '127.0.0.1', resolve))
  t.teardown(() => plain.close())
  const bare = policyFor((plain.address() as AddressInfo).port)
  await t.rejects(state(bare), { code: 'issuer-untrusted', message: /evidence-missing/ }, 'a CA without evidence')
  t.equal(bytes, 0)
})

t.test('what cannot be signed is a mistake of the command line', async t => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  files.set('rsa.pem', String(rsa.export({ type: 'pkcs8', format: 'pem' })))
  files.set('odd.json', '[]')
  files.set('half.json', '{"ca":"x"}')
  files.set('public.pem', 'x')
  const asked = (more: Record<string, string>): Promise<number> =>
    signStatement(parsed({ state: 'half.json', ...sets, key: 'key.pem', ...more }), io)
  await t.rejects(asked({ key: 'rsa.pem' }), { code: 'usage', message: /P-256 or Ed25519/ })
  await t.rejects(asked({ key: 'public.pem' }), { code: 'usage', message: /want a key in PEM/ })
  await t.rejects(asked({ state: 'odd.json' }), { code: 'usage', message: /postern ca state/ })
  await t.rejects(asked({ state: 'none.json' }), { code: 'usage', message: /ENOENT/ })
  await t.rejects(asked({}), { code: 'policy-invalid', message: /\/ca/ })
})
