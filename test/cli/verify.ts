import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer as createPlain } from 'node:net'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import t, { type Test } from 'tap'
import type { QuoteSource } from '../../src/attest/evidence.ts'
import { judgePeer } from '../../src/attest/peer.ts'
import { acceptedBy } from '../../src/cli/subject.ts'
import { trustFor, verifyPeer } from '../../src/cli/verify.ts'
import { readPolicy } from '../../src/config/policy.ts'
import { demoDebugFunction, demoFunction, demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { command } from '../support/cli.ts'
import { realEvidenceMissing, realPath, realPem } from '../support/evidence.ts'

/** A live peer with this enclave's evidence; counts what it hears. */
async function peer(t: Test, source: QuoteSource, more: TlsOptions = {}) {
  const credential = await demoCredential(source)
  let heard = 0
  const server = withKeyPem(credential, ({ key, cert }) =>
    createServer({ key, cert, minVersion: 'TLSv1.2', ...more }, (socket: TLSSocket) => {
      socket.on('data', data => {
        heard += data.length
      })
      socket.on('error', () => {})
    }),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  server.on('tlsClientError', () => {})
  t.teardown(() => server.close())
  return { at: `127.0.0.1:${(server.address() as AddressInfo).port}`, heard: () => heard }
}

const rows: [name: string, source: () => QuoteSource, code: number, rules: string[]][] = [
  ["the policy's enclave", demoFunction, 0, []],
  ['another enclave', demoStranger, 1, ['mrenclave']],
  ['a debug enclave', demoDebugFunction, 1, ['debug']],
]
for (const [name, source, code, rules] of rows) {
  t.test(`${name}: ${code}, and it heard nothing`, async t => {
    const { at, heard } = await peer(t, source())
    const answer = await command(['verify', at, '--policy', 'demo', '--json'], Date.now())
    t.equal(answer.code, code)
    t.same(
      JSON.parse(answer.text).reasons.map((reason: { rule: string }) => reason.rule),
      rules,
    )
    t.equal(heard(), 0)
    const shown = await command(['verify', at, '--policy', 'demo'], Date.now())
    t.match(shown.text, code === 0 ? /Verified, SYNTHETIC and accepted\.\n$/ : /\nVerified, SYNTHETIC, but refused/)
  })
}

t.test('nobody there, somebody who speaks no TLS, somebody who is too old', async t => {
  const plain = createPlain(socket =>
    socket
      .on('error', () => {})
      .resume()
      .end('HTTP/1.1 400\r\n\r\n'),
  )
  await new Promise<void>(resolve => plain.listen(0, '127.0.0.1', resolve))
  const port = (plain.address() as AddressInfo).port
  const unreachable = async (at: string) => {
    const { code, text } = await command(['verify', at, '--policy', 'demo', '--json'], Date.now())
    t.match([code, JSON.parse(text).reasons[0].rule], [1, 'upstream-unreachable'])
  }
  await unreachable(`127.0.0.1:${port}`)
  await new Promise(resolve => plain.close(resolve))
  await unreachable(`127.0.0.1:${port}`)
  await unreachable(`[::1]:${port}`)
  const { at } = await peer(t, demoFunction(), { maxVersion: 'TLSv1.2' })
  await unreachable(at)
})

for (const text of ['host', ':1', 'host:', 'host:0', 'host:65536', 'a:b:1', '[::1]', 'host:1x']) {
  t.test(`${text} is no address`, async t => {
    t.match(await command(['verify', text, '--policy', 'demo']), { code: 64, text: /want HOST:PORT, got/ })
  })
}

t.test('policies for hardware', async t => {
  const { at } = await peer(t, demoFunction())
  const folder = t.testdir()
  const upstream = { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' }
  const peers = { app: { enclaves: [{ mrenclave: '00'.repeat(32) }] } }
  const run = async (collateral: object) => {
    writeFileSync(`${folder}/p.json`, JSON.stringify({ version: 1, name: 'x', upstream, peers, collateral }))
    const { code, text } = await command(['verify', at, '--policy', `${folder}/p.json`, '--json'], Date.now())
    t.equal(code, 1)
    return JSON.parse(text).reasons[0].rule
  }
  t.equal(await run({}), 'collateral-missing')
  t.equal(await run({ sources: [{ kind: 'directory', at: `${folder}/none` }] }), 'quote-unverified', 'asks for nothing')
})

t.test('a real peer, and where its collateral comes from', { skip: realEvidenceMissing }, async t => {
  const when = Date.UTC(2025, 7, 20)
  const leaf = realPem('ratls-certs/gramine-cert.pem')
  const judge = async (collateral: object): Promise<string> => {
    const upstream = { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' }
    const enclaves = [{ mrenclave: '0866e7ca11b9f4efe4bf39b2607f4e1299f111920d96d95719080f01b62b7585' }]
    const app = { enclaves, dangerAllowDebug: true, tcb: { profile: 'dangerOutOfDate' } }
    const text = JSON.stringify({ version: 1, name: 'x', upstream, peers: { app }, collateral })
    const policy = readPolicy(new TextEncoder().encode(text), 'x')
    const trust = await trustFor(leaf, policy, () => when).catch(error => error.code)
    if (typeof trust === 'string') return trust
    const rule = {
      ...acceptedBy(policy),
      dangerAcceptSynthetic: false,
      refuse: { leafSha256s: [], mrenclave: undefined },
    }
    return String(judgePeer(leaf, rule, trust, when).accepted)
  }
  const at = realPath('sgx-v3-gramine-ratls-tagged-00606a')
  t.equal(await judge({ sources: [{ kind: 'directory', at }] }), 'true')
  t.equal(await judge({ sources: [{ kind: 'stapled' }, { kind: 'directory', at }] }), 'true', 'it brings none along')
  t.equal(await judge({ sources: [{ kind: 'stapled' }] }), 'collateral-missing')
  t.equal(
    await judge({ sources: [{ kind: 'directory', at: realPath('sgx-v3-phala-00a067110000') }] }),
    'collateral-missing',
  )
})

t.test('an error of ours is no refusal', async t => {
  const io = {
    readFile: () => new Uint8Array(),
    write: () => {
      throw new TypeError('broken pipe')
    },
    warn: () => {},
    now: () => 0,
  }
  await t.rejects(verifyPeer({ verb: '', values: { policy: 'demo' }, positionals: ['127.0.0.1:1'] }, io), TypeError)
})
